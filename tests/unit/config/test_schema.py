"""Descriptor sets and folders of protos, the good and the broken."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.longrunning import operations_proto_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from gateway.config.schema import Schema, compile_protos, load_descriptor_set
from gateway.core.errors import ConfigError


def file(name: str, *imports: str, messages: Iterable[str] = ("M",)) -> FileDescriptorProto:
    package = name.removesuffix(".proto")
    made = FileDescriptorProto(name=name, package=package, syntax="proto3", dependency=imports)
    for message in messages:
        made.message_type.add(name=message)
    return made


def with_service(made: FileDescriptorProto) -> FileDescriptorProto:
    service = made.service.add(name="S")
    type_ = f".{made.package}.M"
    service.method.add(name="Get", input_type=type_, output_type=type_)
    return made


def saved(folder: Path, *files: FileDescriptorProto) -> Path:
    path = folder / "set.binpb"
    path.write_bytes(FileDescriptorSet(file=files).SerializeToString())
    return path


def proto(folder: Path, text: str | bytes, name: str = "a.proto") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def mistakes(raised: pytest.ExceptionInfo[ConfigError], folder: Path) -> list[str]:
    return [
        str(p).replace(f"{folder}/", "").replace(str(folder), ".") for p in raised.value.problems
    ]


def set_mistake(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load_descriptor_set(path)
    (line,) = mistakes(raised, path.parent)
    return line


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    schema = load_descriptor_set(
        saved(
            tmp_path,
            with_service(file("c.proto", "b.proto")),
            file("b.proto", "a.proto"),
            file("a.proto"),
        )
    )
    assert [service.full_name for service in schema.services()] == ["c.S"]


def test_a_file_that_is_there_twice_and_the_same_is_taken_once(tmp_path: Path) -> None:
    schema = load_descriptor_set(
        saved(tmp_path, with_service(file("a.proto")), with_service(file("a.proto")))
    )
    assert len(list(schema.services())) == 1


def test_a_file_that_is_there_twice_and_differs_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, file("a.proto"), file("a.proto", messages=("N",)))
    assert set_mistake(path) == "set.binpb: a.proto is in it twice, not the same"


def test_a_missing_import_says_who_wants_it_and_what_to_do(tmp_path: Path) -> None:
    path = saved(tmp_path, file("a.proto", "elsewhere/b.proto"))
    assert set_mistake(path) == (
        "set.binpb: a.proto imports elsewhere/b.proto, which is not in the set; "
        "write it with --include_imports (protoc) or by 'buf build'"
    )


def test_well_known_imports_are_carried(tmp_path: Path) -> None:
    schema = load_descriptor_set(
        saved(
            tmp_path,
            file(
                "a.proto",
                "google/api/annotations.proto",
                "google/api/field_behavior.proto",
                "google/longrunning/operations.proto",
                "google/protobuf/any.proto",
                "google/protobuf/struct.proto",
                "google/rpc/status.proto",
                "seawall/policy/v1/policy.proto",
            ),
        )
    )
    for name in ("google.protobuf.Struct", "google.rpc.ErrorInfo", "google.longrunning.Operation"):
        assert schema.pool.FindMessageTypeByName(name).full_name == name


def test_imports_of_the_set_go_before_those_that_are_carried(tmp_path: Path) -> None:
    own = FileDescriptorProto()
    annotations_pb2.DESCRIPTOR.CopyToProto(own)
    own.message_type.add(name="OnlyInThisSet")
    schema = load_descriptor_set(saved(tmp_path, own))
    assert schema.pool.FindMessageTypeByName("google.api.OnlyInThisSet")


def test_services_of_carried_imports_are_not_the_set_s_own(tmp_path: Path) -> None:
    operations = FileDescriptorProto()
    operations_proto_pb2.DESCRIPTOR.CopyToProto(operations)
    schema = load_descriptor_set(saved(tmp_path, operations, with_service(file("a.proto"))))
    assert [s.full_name for s in schema.services()] == ["a.S"]
    assert {s.full_name for s in schema.services(imported=True)} == {
        "a.S",
        "google.longrunning.Operations",
    }


def test_imports_in_a_circle_are_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path, file("a.proto", "b.proto"), file("b.proto", "a.proto"))
    assert set_mistake(path).startswith("set.binpb: ")


def test_descriptors_that_contradict_each_other_are_one_line(tmp_path: Path) -> None:
    twice = FileDescriptorProto(name="b.proto", package="a")
    twice.message_type.add(name="M")
    assert set_mistake(saved(tmp_path, file("a.proto"), twice)).startswith("set.binpb: b.proto: ")
    lost = file("a.proto")
    lost.message_type[0].field.add(name="x", number=1, type=11, label=1, type_name=".a.Lost")
    line = set_mistake(saved(tmp_path, lost))
    assert line.startswith("set.binpb: a.proto: ")
    assert "Lost" in line


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "holds no protobuf files"),
        (b"\x0a\x00", "holds no protobuf files"),
        (b"\xff\xfe\x00 junk", "is not a binary FileDescriptorSet"),
        (b'{"file": []}', "is not a binary FileDescriptorSet"),
        (b"syntax = 'proto3';\n", "is not a binary FileDescriptorSet"),
        (b"\x1f\x8b\x08\x00" + bytes(range(200)), "is not a binary FileDescriptorSet"),
    ],
)
def test_a_file_that_is_no_descriptor_set_is_one_line(
    tmp_path: Path, data: bytes, why: str
) -> None:
    path = tmp_path / "set.binpb"
    path.write_bytes(data)
    line = set_mistake(path)
    assert line.startswith("set.binpb: ")
    assert why in line


def test_a_set_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, with_service(file("a.proto")))
    path.write_bytes(path.read_bytes()[:-3])
    assert "is not a binary FileDescriptorSet" in set_mistake(path)


def test_names_that_are_not_utf_8_are_one_line(tmp_path: Path) -> None:
    raw = saved(tmp_path, file("aaaa.proto"))
    raw.write_bytes(raw.read_bytes().replace(b"aaaa", b"a\xff\xfea"))
    assert "\n" not in set_mistake(raw)


def test_a_set_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert set_mistake(tmp_path / "absent") == "absent: cannot be read: no such file or directory"
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load_descriptor_set(tmp_path)


SERVICE = """syntax = "proto3";
package a;

message M {}

// Why it is here.
service S {
  rpc One(M) returns (M);

  // Another.
  rpc Two(M) returns (M) {
    option idempotency_level = IDEMPOTENT;
  }
}
"""


def test_places_come_from_the_sources(tmp_path: Path) -> None:
    schema = compile_protos(proto(tmp_path, SERVICE, "deep/er/a.proto"))
    (service,) = schema.services()
    assert schema.where_service(service) == "deep/er/a.proto:7"
    assert [schema.where_method(m) for m in service.methods] == [
        "deep/er/a.proto:8",
        "deep/er/a.proto:11",
    ]


def test_places_without_sources_are_the_file(tmp_path: Path) -> None:
    schema = load_descriptor_set(saved(tmp_path, with_service(file("a.proto"))))
    (service,) = schema.services()
    assert schema.where_service(service) == "a.proto"
    assert schema.where_method(service.methods[0]) == "a.proto"


def test_source_info_that_is_damaged_costs_only_the_lines() -> None:
    made = with_service(file("a.proto"))
    made.source_code_info.location.add(path=[6, 0])
    made.source_code_info.location.add(span=[1, 2, 3])
    schema = Schema([made], "a set")
    (service,) = schema.services()
    assert schema.where_service(service) == "a.proto"


def test_a_folder_compiles_with_what_the_gateway_carries(tmp_path: Path) -> None:
    text = SERVICE.replace(
        "package a;", 'package a;\nimport "google/api/annotations.proto";\nimport "b/c.proto";'
    )
    proto(tmp_path, 'syntax = "proto3";\npackage c;\nmessage C {}\n', "b/c.proto")
    # An unused import is a warning, and no reason not to start.
    assert [s.full_name for s in compile_protos(proto(tmp_path, text)).services()] == ["a.S"]


def test_services_of_imports_are_not_the_folder_s_own(tmp_path: Path) -> None:
    text = SERVICE.replace(
        "message M {}",
        'import "google/longrunning/operations.proto";\n'
        "message M { google.longrunning.Operation o = 1; }",
    )
    schema = compile_protos(proto(tmp_path, text))
    assert [s.full_name for s in schema.services()] == ["a.S"]


def test_every_mistake_of_a_folder_has_file_line_and_column(tmp_path: Path) -> None:
    proto(tmp_path, SERVICE.replace("rpc One(M)", "rpc One(Lost)"), "deep/one.proto")
    proto(tmp_path, 'syntax = "proto3"\npackage b;\n', "two.proto")
    proto(
        tmp_path,
        'syntax = "proto3";\nimport "two.proto";\nmessage C { b.X x = 1; }',
        "follows.proto",
    )
    proto(tmp_path, 'syntax = "proto3";\nimport "google/api/http.proto";\n', "warned.proto")
    with pytest.raises(ConfigError) as raised:
        compile_protos(tmp_path)
    assert mistakes(raised, tmp_path) == [
        'deep/one.proto:8:11: "Lost" is not defined.',
        'two.proto:2:1: Expected ";".',
    ]


def test_what_two_files_define_is_a_mistake_though_each_compiles_alone(tmp_path: Path) -> None:
    for name in ("a.proto", "b.proto"):
        proto(tmp_path, 'syntax = "proto3";\npackage x;\nmessage M {}\n', name)
    with pytest.raises(ConfigError) as raised:
        compile_protos(tmp_path)
    assert mistakes(raised, tmp_path) == [
        'b.proto:3:9: "x.M" is already defined in file "a.proto".'
    ]


def test_a_folder_whose_name_holds_a_colon_compiles(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    assert list(compile_protos(proto(folder, SERVICE)).services())


def test_python_files_beside_the_protos_are_not_run(tmp_path: Path) -> None:
    for name in ("grpc_tools.py", "subprocess.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit(7)")
    assert list(compile_protos(proto(tmp_path, SERVICE)).services())


def test_an_import_that_a_folder_lacks_is_named(tmp_path: Path) -> None:
    proto(tmp_path, 'syntax = "proto3";\nimport "gone.proto";\n')
    with pytest.raises(ConfigError) as raised:
        compile_protos(tmp_path)
    assert mistakes(raised, tmp_path) == [
        'a.proto:2:1: Import "gone.proto" was not found or had errors.'
    ]


def test_a_proto_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    proto(tmp_path, b'syntax = "proto3";\nmessage \xff\xfe {}\n')
    with pytest.raises(ConfigError) as raised:
        compile_protos(tmp_path)
    assert mistakes(raised, tmp_path)[0].startswith("a.proto:2:")


def test_a_folder_without_protos_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no \.proto files"):
        compile_protos(tmp_path)
    with pytest.raises(ConfigError, match=r"is not a folder of \.proto files"):
        compile_protos(tmp_path / "absent")


def test_the_protos_given_stay_as_they_were() -> None:
    made = with_service(file("a.proto", "google/protobuf/empty.proto"))
    before = descriptor_pb2.FileDescriptorProto()
    before.CopyFrom(made)
    Schema([made], "a set")
    assert made == before


@pytest.mark.parametrize(
    ("option", "file"),
    [
        ('(google.api.http) = {get: "/x"}', "google/api/annotations.proto"),
        ("(seawall.policy.v1.method) = {}", "seawall/policy/v1/policy.proto"),
    ],
)
def test_an_option_whose_import_is_missing_is_told_with_its_import(
    option: str, file: str, tmp_path: Path
) -> None:
    (tmp_path / "a.proto").write_text(
        'syntax = "proto3";\nmessage M {}\n'
        f"service S {{ rpc G(M) returns (M) {{ option {option}; }} }}\n"
    )
    with pytest.raises(ConfigError) as caught:
        compile_protos(tmp_path)
    assert str(caught.value).endswith(f'is unknown; add: import "{file}";')
