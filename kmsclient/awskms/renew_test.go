package awskms_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient/awskms"
)

// TestRenewedMeanwhile: a call learns that its credentials have expired when another call has
// already got new ones, and uses those.
func TestRenewedMeanwhile(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	program, latest := filepath.Join(dir, "program"), filepath.Join(dir, "latest")
	must(t, os.WriteFile(latest, []byte(`{"Version":1,"AccessKeyId":"AKID1","SecretAccessKey":"s","SessionToken":"t1","Expiration":"2099-01-01T00:00:00Z"}`), 0o600))
	must(t, os.WriteFile(program, []byte("#!/bin/sh\ncat "+latest+"\n"), 0o700))
	profile(t, "[default]\ncredential_process = "+program+"\n")
	var refused atomic.Int32
	arrived, renewed := make(chan bool), make(chan bool)
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "AKID2") {
			goodKey()(w, r)
			return
		}
		if refused.Add(1) == 1 {
			<-arrived
			_ = os.WriteFile(latest, []byte(`{"Version":1,"AccessKeyId":"AKID2","SecretAccessKey":"s","SessionToken":"t2","Expiration":"2099-01-01T00:00:00Z"}`), 0o600)
		} else {
			arrived <- true
			<-renewed
		}
		exception(400, "ExpiredTokenException",
			"The security token included in the request is expired")(w, r)
	})
	cfg := quick(f.URL)
	cfg.ReadTimeout = 10 * time.Second
	c := awskms.New(cfg)
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- generate(t, c) }()
	}
	first := <-ended
	close(renewed)
	must(t, first)
	must(t, <-ended)
	if n := f.count(); n != 4 {
		t.Errorf("%d attempts", n)
	}
}
