//go:build torture

package kmstorture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

// service is a key service with faults, and what clients need to reach it.
type service struct {
	env  []string // endpoint, credentials, Region
	url  string
	end  func() // ends it and waits; may be called again
	read func() ([]devserver.Call, error)
	pid  int // 0 where it runs in this process
}

// calls ends the service and gives the calls that it saw, known operations only. It waits for the
// first want of them: a call is logged behind its answer.
func (s *service) calls(want int) (all []devserver.Call, err error) {
	for range 200 {
		if all, err = s.read(); err != nil || len(all) >= want {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.end()
	if err == nil {
		all, err = s.read()
	}
	return all, err
}

var serviceCount atomic.Int64

// ownAddress is one of loopback's that nobody else gets, with any free port: when it is given up,
// clients must not find another server there.
func ownAddress() string {
	n := serviceCount.Add(1)
	return fmt.Sprintf("127.1.%d.%d:0", n/250, n%250+1)
}

// serve starts `envseal keystore serve` for the fixture's keystore.
func serve(faults string, flags ...string) (*service, error) {
	log := filepath.Join(scratch, fmt.Sprintf("calls.%d", serviceCount.Add(1)))
	args := append([]string{"keystore", "serve", "--keystore", fixture.store, "--log", log, "--addr",
		ownAddress(), "--faults", faults}, flags...)
	c := exec.Command(program, args...)
	c.Env = environment()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	end := sync.OnceFunc(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Process.Signal(syscall.SIGCONT)
		_ = c.Wait()
	})
	first, err := bufio.NewReader(stdout).ReadString('\n')
	settings, ok := strings.CutPrefix(strings.TrimSpace(first), "export ")
	if err != nil || !ok {
		end()
		return nil, fmt.Errorf("keystore serve %v: %q %v\n%s", flags, first, err, stderr.Bytes())
	}
	s := &service{env: strings.Fields(settings), end: end, pid: c.Process.Pid}
	s.url = strings.TrimPrefix(s.env[0], "AWS_ENDPOINT_URL_KMS=")
	s.read = func() ([]devserver.Call, error) { return readCalls(log) }
	return s, nil
}

// readCalls reads what --log has written. Its lines are written whole.
func readCalls(log string) ([]devserver.Call, error) {
	b, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	var all []devserver.Call
	for line := range bytes.Lines(b) {
		var call devserver.Call
		if err := json.Unmarshal(line, &call); err != nil {
			return nil, fmt.Errorf("%s: %w", log, err)
		}
		all = append(all, call)
	}
	return all, nil
}

// at is the service behind another URL.
func (s *service) at(url string) []string {
	return append([]string{"AWS_ENDPOINT_URL_KMS=" + url}, s.env[1:]...)
}

const (
	homeRegion  = "us-east-1"
	otherRegion = "eu-west-1"
)

// serveRegions is the fixture's keystore as two Regions of AWS, in this process.
func serveRegions(faults string) (*service, error) {
	return serveHere(faults,
		func(h http.Handler) http.Handler { return kmstest.NewRegions(h, homeRegion, otherRegion) })
}

// serveAnybody is the fixture's keystore for whatever credentials, in this process.
func serveAnybody(faults string) (*service, error) {
	return serveHere(faults, func(h http.Handler) http.Handler { return h })
}

// serveHere serves without a look at the signatures.
func serveHere(faults string, wrap func(http.Handler) http.Handler) (*service, error) {
	f, err := devserver.ParseFaults(faults)
	if err != nil {
		return nil, err
	}
	store, err := keystore.Open(fixture.store, keystore.Options{})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var calls []devserver.Call
	kms, err := devserver.New(store,
		devserver.Options{AllowUnsigned: true, Faults: f, Log: func(c devserver.Call) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, c)
		}})
	if err != nil {
		store.Close()
		return nil, err
	}
	server := httptest.NewServer(wrap(kms))
	return &service{
		url: server.URL,
		env: []string{"AWS_ENDPOINT_URL_KMS=" + server.URL, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
			"AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=" + kmsclient.LocalRegion},
		end: sync.OnceFunc(func() { server.Close(); store.Close() }),
		read: func() ([]devserver.Call, error) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(calls), nil
		},
	}, nil
}
