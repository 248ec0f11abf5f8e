from gateway.demo.traffic import Traffic


def test_requests_are_counted_by_verb_and_path() -> None:
    traffic = Traffic()
    for _ in range(2):
        with traffic.request("GET", "/orders"):
            traffic.answered(200)
    with traffic.request("POST", "/orders"):
        traffic.client_gone()
    assert traffic.report() == {
        "total": 3,
        "requests": {"GET /orders": 2, "POST /orders": 1},
        "statuses": {"200": 2},
        "clients_gone": 1,
        "concurrency": {"current": 0, "peak": 1},
    }


def test_the_peak_is_kept_and_a_reset_starts_from_what_is_inside() -> None:
    traffic = Traffic()
    with traffic.request("GET", "/a"):
        with traffic.request("GET", "/b"), traffic.request("GET", "/c"):
            pass
        assert traffic.report()["concurrency"] == {"current": 1, "peak": 3}
        traffic.reset()
        assert traffic.report()["concurrency"] == {"current": 1, "peak": 1}
        assert traffic.report()["total"] == 0
    assert traffic.report()["concurrency"]["current"] == 0


def test_ever_new_paths_do_not_grow_the_report() -> None:
    traffic = Traffic()
    for number in range(1500):
        with traffic.request("GET", f"/{number}"):
            pass
    report = traffic.report()
    assert report["total"] == 1500
    assert len(report["requests"]) == 1001
    assert report["requests"]["other paths"] == 500
