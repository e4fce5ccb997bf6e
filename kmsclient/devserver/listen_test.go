package devserver_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient/devserver"
)

func timeout(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func TestListen(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:0":     "",
		"127.9.9.9:0":     "",
		"localhost:0":     "",
		":0":              "stands for all interfaces",
		"0.0.0.0:0":       "not a loopback address",
		"[::]:0":          "not a loopback address",
		"192.0.2.1:0":     "not a loopback address",
		"[2001:db8::1]:0": "not a loopback address",
		"127.0.0.1":       "not of the form",
		"127.0.0.1:x":     "port",
	} {
		ln, err := devserver.Listen(t.Context(), addr)
		if err == nil {
			if ip := ln.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
				t.Errorf("%s listens on %s", addr, ip)
			}
			ln.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", addr, err, want)
		}
	}
}

func TestServeRefusesOtherListeners(t *testing.T) {
	srv, err := devserver.New(openStore(t), devserver.Options{})
	must(t, err)
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	err = srv.Serve(t.Context(), ln)
	if err == nil || !strings.Contains(err.Error(), "loopback only") {
		t.Fatal(err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Fatal("the listener is still open")
	}
}

// TestServeEnds ends a server with a call under way: a short one is answered, one that hangs is cut
// off after the time of grace.
func TestServeEnds(t *testing.T) {
	for fault, answered := range map[string]bool{"*=delay:300ms": true, "*=hang": false} {
		t.Run(fault, func(t *testing.T) {
			srv, err := devserver.New(openStore(t),
				devserver.Options{AllowUnsigned: true, Faults: parse(t, fault)})
			must(t, err)
			ln, err := devserver.Listen(t.Context(), "127.0.0.1:0")
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended, asked := make(chan error, 1), make(chan error, 1)
			go func() { ended <- srv.Serve(ctx, ln) }()
			r := &rig{t: t, srv: srv, url: "http://" + ln.Addr().String()}
			req := r.request("ListKeys", "{}")
			go func() {
				_, err := r.do(req)
				asked <- err
			}()
			for srv.Counts()["ListKeys"] == 0 {
				time.Sleep(time.Millisecond)
			}
			cancel()
			begin := time.Now()
			must(t, <-ended)
			if took := time.Since(begin); took > 4*time.Second {
				t.Fatalf("took %v to end", took)
			}
			if err := <-asked; (err == nil) != answered {
				t.Fatalf("the call under way: %v", err)
			}
		})
	}
}
