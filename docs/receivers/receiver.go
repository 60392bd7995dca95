// A receiver with Go's standard library alone. Run it: VIDHOOK_SECRET=whsec_... go run receiver.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tolerance = 5 * time.Minute
	mostBytes = 262_144
)

// Event is what every receiver looks at; Data holds the task (docs/events.md).
type Event struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// verify returns the event in a webhook, or an error for one that is not to be trusted. body is the bytes as they came.
func verify(secret string, header http.Header, body []byte) (Event, error) {
	var event Event
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return event, errors.New("no timestamp")
	}
	if age := time.Since(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return event, errors.New("signed too long ago, or in the future")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return event, errors.New("the secret is not whsec_ and base64")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	// While a secret is rotated there are several signatures; one that fits is enough.
	for _, given := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), []byte(expected)) {
			return event, json.Unmarshal(body, &event)
		}
	}
	return event, errors.New("no signature fits")
}

func main() {
	var seen sync.Map // in earnest: a database table with a unique key, which survives a restart
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, mostBytes))
		if err != nil {
			answer.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		event, err := verify(os.Getenv("VIDHOOK_SECRET"), request.Header, body)
		if err != nil {
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, again := seen.LoadOrStore(event.ID, true); !again { // an event may come twice: its id is the same
			fmt.Println(event.ID, event.Type) // in earnest: queue it, and work after the answer
		}
		answer.WriteHeader(http.StatusNoContent)
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8471"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening at http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
