//go:build interop || recipes

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// interopDir is a folder with a file of random bytes, and with the names of a home and a keystore
// in the environment.
func interopDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "keystore"))
	write(t, filepath.Join(dir, "big.bin"), randomBytes(3<<20+5))
	return dir
}

// shell runs a script that must succeed, and returns all it printed.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	testhome.Need(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", script)
	c.Dir = dir
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = time.Second
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// startMoto starts moto's server on a free port and waits for it.
func startMoto(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	var log bytes.Buffer
	c := exec.Command("python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", fmt.Sprint(addr.Port))
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
	})
	url := "http://" + addr.String()
	for range 300 {
		if resp, err := http.Get(url + "/moto-api/"); err == nil {
			resp.Body.Close()
			return url
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("moto does not answer; python3 -m moto.server says:\n%s", log.String())
	return ""
}
