package awskms

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// Limits of an answer. KMS's longest answers with a key in them have 14 KB (a blob of 6 144 bytes
// and a key, in base64); a page of 100 keys has 20 KB, one of 50 aliases with long names 35 KB. A
// bare SDK reads on until memory ends.
const (
	maxAnswer       = 64 << 10
	maxSecretAnswer = 16 << 10 // all of it in locked memory, which is scarce
	maxHead         = 64 << 10
	readSize        = 1024 // less than bufio's buffer, so that reads go through it and not around it
)

// wire is the HTTP client under the SDK, for KMS only: one HTTP/1.1 exchange a connection, on the
// goroutine of the caller, and nothing left of it in memory afterwards. It follows no redirect and
// asks for no compression.
type wire struct {
	cfg   Config
	tls   *tls.Config
	proxy func(*http.Request) (*url.URL, error)
	debug sync.Mutex // lines are written whole
}

// newWire takes over what the SDK's configuration made of AWS_CA_BUNDLE and the like, and the
// proxies of the environment.
func newWire(cfg Config, loaded aws.Config) *wire {
	transport := awshttp.NewBuildableClient().GetTransport()
	if client, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = client.GetTransport()
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if transport.TLSClientConfig != nil {
		conf = transport.TLSClientConfig.Clone()
	}
	conf.NextProtos = []string{"http/1.1"}
	return &wire{cfg: cfg, tls: conf, proxy: transport.Proxy}
}

// allow refuses to send keys in the clear to other machines.
func (w *wire) allow(u *url.URL) error {
	if u.Scheme == "https" || isLoopback(u.Hostname()) {
		return nil
	}
	if u.Scheme == "http" && w.cfg.NoVerifySSL {
		return nil
	}
	return &kmsclient.Error{Kind: kmsclient.ErrInvalidRequest, Message: fmt.Sprintf(
		"endpoint %s is not https: data keys would cross the network in the clear (--no-verify-ssl allows it)", u.Redacted())}
}

func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	// and no name below it: that may be anywhere for DNS, and goes through proxies
	return host == "localhost"
}

// Do implements the HTTPClient of the SDK. The answer it returns has been read, and its connection
// closed and wiped.
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if x == nil {
		return nil, errors.New("a request that no call of this package has made")
	}
	if err := w.allow(req.URL); err != nil {
		return nil, err
	}
	x.begun = true
	start := time.Now()
	resp, err := w.exchange(req, x)
	x.failure = err
	w.log(req, x, time.Since(start))
	return resp, err
}

func (w *wire) exchange(req *http.Request, x *exchange) (*http.Response, error) {
	seen := &traces{}
	// after the connection is closed: nothing reads into these buffers any more
	defer keymem.Do(seen.wipe)
	deadline := time.Now().Add(w.cfg.connectTimeout() + w.cfg.readTimeout())
	conn, err := w.dial(req.Context(), req.URL, seen)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer bound(req.Context(), conn, min(w.cfg.readTimeout(), time.Until(deadline)))()
	if err := w.send(conn, req, x); err != nil {
		return nil, phase(err, "sending the request to "+req.URL.Host, true)
	}
	resp, err := receive(conn, req, x, seen)
	if err != nil {
		return nil, phase(err, "waiting for the answer of "+req.URL.Host, true)
	}
	return resp, nil
}

// bound ends all reading and writing after limit, or when ctx is done. The function it returns
// takes the watch off ctx.
func bound(ctx context.Context, conn net.Conn, limit time.Duration) (stop func() bool) {
	_ = conn.SetDeadline(time.Now().Add(limit))
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// phase names what timed out.
func phase(err error, doing string, silent bool) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return &timeoutError{doing: doing, silent: silent}
	}
	return err
}

// send writes the request. A locked body goes from locked memory into the connection, in pieces:
// see pieceSize.
func (w *wire) send(conn net.Conn, req *http.Request, x *exchange) error {
	var head bytes.Buffer
	uri, proxyHeader := req.URL.RequestURI(), ""
	if via, ok := conn.(*proxied); ok {
		uri, proxyHeader = req.URL.Scheme+"://"+req.URL.Host+uri, via.header
	}
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s",
		req.Method, uri, cmp.Or(req.Host, req.URL.Host), req.ContentLength, proxyHeader)
	err := req.Header.WriteSubset(&head,
		map[string]bool{"Host": true, "Content-Length": true, "Connection": true})
	if err != nil {
		return err
	}
	head.WriteString("\r\n")
	x.sent = true
	if _, err := conn.Write(head.Bytes()); err != nil {
		return err
	}
	if x.body != nil {
		return writePieces(conn, x.body.Bytes())
	}
	if req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	_, err = conn.Write(body)
	return err
}

func writePieces(conn net.Conn, body []byte) error {
	for piece := range slices.Chunk(body, pieceSize) {
		if _, err := conn.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// note keeps what the error messages need.
func (x *exchange) note(resp *http.Response) {
	x.status = resp.StatusCode
	x.requestID = oneLine(cmp.Or(resp.Header.Get("X-Amzn-Requestid"),
		resp.Header.Get("X-Amz-Request-Id")))
	if resp.StatusCode/100 == 3 {
		x.location = resp.Header.Get("Location")
	}
	x.skew = x.call.client.noteDate(resp.Header.Get("Date"))
}

// log writes the line of an exchange for --debug. Nothing of a header, of a body or of the query is
// in it.
func (w *wire) log(req *http.Request, x *exchange, took time.Duration) {
	if w.cfg.Debug == nil {
		return
	}
	outcome := fmt.Sprintf("HTTP %d", x.status)
	if x.failure != nil {
		outcome = oneLine(x.failure.Error())
	}
	if x.requestID != "" {
		outcome += ", request id " + x.requestID
	}
	line := fmt.Sprintf("kms %s attempt %d: %s %s://%s%s: %s, %v\n", x.call.op, x.attempt, req.Method,
		req.URL.Scheme, req.URL.Host, req.URL.Path, outcome, took.Round(100*time.Microsecond))
	w.debug.Lock()
	defer w.debug.Unlock()
	_, _ = io.WriteString(w.cfg.Debug, line)
}
