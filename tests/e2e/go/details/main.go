// What a Go client reads of a failed call: one JSON object, with the typed details of
// google.rpc as they stand in errdetails, and all of them as protojson prints them.
//
//	details ADDRESS METHOD DESCRIPTORS [KEY VALUE]…
//
// DESCRIPTORS is a FileDescriptorSet of the details that errdetails does not have; keys and
// values are metadata of the call.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

type told struct {
	Code      string
	Message   string
	Reason    string
	Domain    string
	Metadata  map[string]string
	RetryS    float64
	Fields    []string
	Limits    []string
	Localized string
	Details   []json.RawMessage
}

func main() {
	address, method, set := os.Args[1], os.Args[2], os.Args[3]
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, os.Args[4:]...)
	failed := status.Convert(connection.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}))
	found := told{Code: failed.Code().String(), Message: failed.Message()}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Reason, found.Domain, found.Metadata = detail.Reason, detail.Domain, detail.Metadata
		case *errdetails.RetryInfo:
			found.RetryS = detail.RetryDelay.AsDuration().Seconds()
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				found.Fields = append(found.Fields, violation.Field)
			}
		case *errdetails.QuotaFailure:
			for _, violation := range detail.Violations {
				found.Limits = append(found.Limits, violation.Subject)
			}
		case *errdetails.LocalizedMessage:
			found.Localized = detail.Locale + ": " + detail.Message
		}
	}
	printer := protojson.MarshalOptions{Resolver: types(set)}
	for _, detail := range failed.Proto().Details {
		printed, err := printer.Marshal(detail)
		check(err)
		found.Details = append(found.Details, printed)
	}
	check(json.NewEncoder(os.Stdout).Encode(found))
}

func types(path string) *dynamicpb.Types {
	data, err := os.ReadFile(path)
	check(err)
	var set descriptorpb.FileDescriptorSet
	check(proto.Unmarshal(data, &set))
	files, err := protodesc.NewFiles(&set)
	check(err)
	return dynamicpb.NewTypes(files)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
