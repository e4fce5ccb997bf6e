//go:build torture

package kmstorture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
)

const toxiproxyVersion = "v2.5.0"

// toxiproxy is a running github.com/Shopify/toxiproxy, a TCP proxy that spoils what goes through
// it, driven over HTTP.
type toxiproxy struct {
	api  string
	made atomic.Int64
}

// toxic is one way to spoil it: kind and attributes are toxiproxy's (its README, "Toxics").
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]any `json:"attributes"`
}

const (
	request = "upstream"
	answer  = "downstream"
)

// startToxiproxy builds and starts it; the test fails where it cannot be had.
func startToxiproxy(t *testing.T) *toxiproxy {
	t.Helper()
	bin := filepath.Join(scratch, "bin")
	install := exec.Command("go", "install",
		"github.com/Shopify/toxiproxy/v2/cmd/server@"+toxiproxyVersion)
	install.Dir = scratch
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("toxiproxy %s cannot be built from the Go module proxy: %v\n%s",
			toxiproxyVersion, err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	c := exec.Command(filepath.Join(bin, "server"), "-host", "127.0.0.1",
		"-port", fmt.Sprint(addr.Port))
	c.Env = append(environment(), "LOG_LEVEL=error")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	p := &toxiproxy{api: "http://" + addr.String()}
	err = await("toxiproxy", func() bool {
		_, err := p.call("GET", "/version", nil)
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *toxiproxy) call(method, path string, body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, p.api+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("toxiproxy %s %s: %s: %s", method, path, resp.Status, out)
	}
	return out, err
}

// before puts a proxy with toxics before a service, and gives its URL. A proxy that is down refuses
// connections.
func (p *toxiproxy) before(s *service, down bool, toxics ...toxic) (url string, err error) {
	name := fmt.Sprintf("p%d", p.made.Add(1))
	b, err := p.call("POST", "/proxies", map[string]any{"name": name, "listen": ownAddress(),
		"upstream": s.url[len("http://"):], "enabled": true})
	if err != nil {
		return "", err
	}
	var proxy struct{ Listen string }
	if err := json.Unmarshal(b, &proxy); err != nil {
		return "", err
	}
	for i, x := range toxics {
		body := struct {
			Name string `json:"name"`
			toxic
		}{fmt.Sprintf("t%d", i), x}
		if _, err := p.call("POST", "/proxies/"+name+"/toxics", body); err != nil {
			return "", err
		}
	}
	if down {
		_, err = p.call("POST", "/proxies/"+name, map[string]any{"enabled": false})
	}
	return "http://" + proxy.Listen, err
}
