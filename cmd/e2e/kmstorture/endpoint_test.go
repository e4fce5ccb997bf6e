//go:build torture

package kmstorture

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// endpoint is somebody at the other end who is not the key service, or not as it should be.
type endpoint struct {
	breakage
	open opener
}

// opener gives the environment of the client, how many connections were made (nil: not counted),
// and the end.
type opener func() (env []string, connections func() int, end func(), err error)

var strangersKeys = []string{"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=x",
	"AWS_REGION=eu-central-1"}

// of makes the environment for an endpoint.
func of(url string) []string {
	return append([]string{"AWS_ENDPOINT_URL_KMS=" + url}, strangersKeys...)
}

// stranger listens at SCHEME://127.0.0.1 and does that with each connection.
func stranger(scheme string, do connHandler) opener {
	return func() ([]string, func() int, func(), error) {
		f, err := listen(do)
		if err != nil {
			return nil, nil, nil, err
		}
		return of(scheme + "://" + f.Addr().String()), f.count, f.close, nil
	}
}

// nobody is an endpoint that needs no server of ours.
func nobody(url string) opener {
	return func() ([]string, func() int, func(), error) { return of(url), nil, func() {}, nil }
}

// proxied sends the client to AWS through an HTTP proxy, which never lets it get there.
func proxied(do connHandler) opener {
	return func() ([]string, func() int, func(), error) {
		f, err := listen(do)
		if err != nil {
			return nil, nil, nil, err
		}
		return append([]string{"HTTPS_PROXY=http://" + f.Addr().String(),
			"AWS_ENDPOINT_URL_KMS=https://kms.example.com"}, strangersKeys...), f.count, f.close, nil
	}
}

// hole is the endpoint that answers no SYN.
func hole() ([]string, func() int, func(), error) {
	addr, end, err := blackHole()
	return of("http://" + addr), nil, end, err
}

// secured is the real service behind TLS.
func secured(name string, until time.Duration, trusted bool, limit int64,
	change func(*tls.Config)) opener {
	return func() ([]string, func() int, func(), error) {
		s, err := serve("")
		if err != nil {
			return nil, nil, nil, err
		}
		cert, bundle, err := certificate(name, time.Now().Add(until))
		if err != nil {
			s.end()
			return nil, nil, nil, err
		}
		conf := &tls.Config{Certificates: []tls.Certificate{cert}}
		change(conf)
		f, err := listen(relay(s, conf, limit))
		if err != nil {
			s.end()
			return nil, nil, nil, err
		}
		env := s.at("https://" + f.Addr().String())
		if trusted {
			env = append(env, "AWS_CA_BUNDLE="+bundle)
		}
		return env, f.count, func() { f.close(); s.end() }, nil
	}
}

func endpoints() []endpoint {
	row := func(name string, attempts, code int, most time.Duration, open opener,
		words ...string) endpoint {
		return endpoint{breakage: breakage{name: name, least: attempts, most: attempts, code: code,
			time: most, words: words}, open: open}
	}
	const day, here = 24 * time.Hour, "127.0.0.1"
	same := func(*tls.Config) {}
	old := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	handshakes, proxies := 5*5*time.Second+retriedTime, 2*5*time.Second+slack
	name := row("no such name", 5, 6, retriedTime+2*3*time.Second,
		nobody("https://kms.envseal.invalid"), "kms.envseal.invalid")
	name.least = 2 // a resolver that does not answer is silent
	return []endpoint{
		row("TLS handshake hangs", 5, 6, handshakes, stranger("https", swallow),
			"timeout while agreeing on TLS"),
		row("takes the request and never answers", 2, 6, silentTime, stranger("http", swallow),
			"timeout while waiting for the answer"),
		row("TLS handshake reset", 5, 6, retriedTime, stranger("https", reset), "no secure connection"),
		row("answers http to TLS", 1, 6, slack,
			stranger("https", says("HTTP/1.1 400 Bad Request\r\n\r\n")), "no secure connection"),
		row("TLS, sound", 1, 0, slack, secured(here, day, true, 0, same)),
		row("TLS, unknown authority", 1, 6, slack, secured(here, day, false, 0, same),
			"certificate", "--ca-bundle"),
		row("TLS, certificate of another name", 1, 6, slack,
			secured("kms.example.com", day, true, 0, same), "certificate", "--ca-bundle"),
		row("TLS, certificate expired", 1, 6, slack, secured(here, -time.Hour, true, 0, same),
			"certificate"),
		row("TLS 1.1 only", 1, 6, slack, secured(here, day, true, 0, old), "protocol version"),
		row("TLS cut in the answer", 5, 6, retriedTime,
			secured(here, day, true, 300, same), "check the endpoint"),
		row("connections never answered", 2, 6, 2*3*time.Second+slack, hole,
			"timeout while connecting"), name,
		row("http to another machine", 0, 2, slack, nobody("http://192.0.2.1"), "not https"),
		row("proxy hangs", 2, 6, proxies, proxied(swallow), "timeout while waiting for the proxy"),
		row("proxy refuses", 1, 6, slack, proxied(says("HTTP/1.1 403 Forbidden\r\n\r\n")),
			"the proxy refuses"),
		row("proxy closes", 5, 6, retriedTime, proxied(reset)),
		row("not HTTP", 1, 5, slack, stranger("http", says("220 mail.example.com ESMTP\r\n")),
			"not HTTP", "nothing was written"),
		row("endless header", 1, 5, slack,
			stranger("http", says("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 4<<20))),
			"nothing was written"),
		row("page of a captive portal", 1, 5, slack,
			stranger("http", says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")),
			"is this the right endpoint"),
	}
}

// TestTortureKMSEndpoint has every command meet somebody else than the key service.
func TestTortureKMSEndpoint(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	type trial struct {
		endpoint
		command
	}
	var all []trial
	for _, e := range endpoints() {
		for _, c := range networkCommands() {
			all = append(all, trial{e, c})
		}
	}
	inParallel(all, func(x trial) {
		o, err := x.endpoint.try(x.command)
		if err != nil {
			t.Errorf("%s during %s: %v\n%s", x.endpoint.name, x.command.name, err, o.stderr)
		}
		count.count("envseal", "endpoint: "+x.endpoint.name, o, err != nil, x.says())
	})
}

func (e endpoint) try(c command) (outcome, error) {
	env, connections, end, err := e.open()
	if err != nil {
		return outcome{}, err
	}
	defer end()
	o, err := e.run(c, env)
	if connections != nil && connections() != o.attempts() {
		err = errors.Join(err, fmt.Errorf("%d connections for %d attempts", connections(), o.attempts()))
	}
	return o, err
}
