//go:build secrets

package memscan_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"github.com/envseal/envseal/kmsclient"
)

// bodies keeps the keys that go through a server, in requests and answers.
type bodies struct {
	mu      sync.Mutex
	keys    [][]byte
	target  string        // the request to be held, once
	reached chan struct{} // closed when it is there
	release chan struct{} // closed to have it answered
}

// holdNext holds the next request for an operation.
func (b *bodies) holdNext(target string) (reached <-chan struct{}, release chan<- struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target, b.reached, b.release = target, make(chan struct{}), make(chan struct{})
	return b.reached, b.release
}

func (b *bodies) holdIf(target string) {
	b.mu.Lock()
	wanted, release := target != "" && b.target == target, b.release
	if wanted {
		b.target = ""
		close(b.reached)
	}
	b.mu.Unlock()
	if wanted {
		<-release
	}
}

func (b *bodies) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.note(body)
		b.holdIf(req.Header.Get("X-Amz-Target"))
		req.Body = io.NopCloser(bytes.NewReader(body))
		answer := &tee{ResponseWriter: w}
		defer func() { b.note(answer.body.Bytes()) }() // also where a fault ends the connection
		next.ServeHTTP(answer, req)
	})
}

func (b *bodies) note(body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys = append(b.keys, keysIn(body)...)
}

func (b *bodies) all() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.keys)
}

var keyMember = regexp.MustCompile(`"?(?:PrivateKey)?Plaintext"?\s*:\s*"?([^",\s]+)`)

// keysIn finds the keys in an answer of KMS, be it cut or spoiled, in JSON or YAML.
func keysIn(text []byte) (keys [][]byte) {
	for _, m := range keyMember.FindAllSubmatch(text, -1) {
		value := bytes.Clone(m[1])
		if key, err := base64.StdEncoding.DecodeString(string(value)); err == nil {
			value = key
		}
		if len(value) >= 16 && len(value) <= kmsclient.MaxPlaintext { // a fault may send a GiB
			keys = append(keys, value)
		}
	}
	return keys
}

// tee is an answer that is also kept.
type tee struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (t *tee) Write(p []byte) (int, error) {
	if t.body.Len() < 1<<20 { // a fault may write a GiB
		t.body.Write(p)
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }
