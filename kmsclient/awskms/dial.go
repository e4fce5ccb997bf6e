package awskms

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// dial connects to the host of u, through a proxy where the environment names one, and speaks TLS
// where u is https.
func (w *wire) dial(ctx context.Context, u *url.URL, seen *traces) (net.Conn, error) {
	proxy, err := w.proxyFor(u)
	if err != nil {
		return nil, err
	}
	conn, err := w.connect(ctx, cmp.Or(proxy, u))
	if err != nil {
		return nil, err
	}
	stop := bound(ctx, conn, w.cfg.tlsTimeout())
	defer stop()
	layered, err := w.layers(ctx, conn, u, proxy, seen)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return layered, nil
}

// layers puts on the connection what lies between TCP and HTTP.
func (w *wire) layers(ctx context.Context, conn net.Conn, u, proxy *url.URL,
	seen *traces) (net.Conn, error) {
	var err error
	if proxy != nil {
		if proxy.Scheme == "https" {
			if conn, err = w.handshake(ctx, conn, proxy); err != nil {
				return nil, err
			}
		}
		if u.Scheme != "https" {
			return &proxied{Conn: conn, header: authHeader(proxy)}, nil
		}
		if err := tunnel(conn, address(u), authHeader(proxy)); err != nil {
			return nil, phase(err, "waiting for the proxy "+proxy.Host, true)
		}
	}
	if u.Scheme != "https" {
		return conn, nil
	}
	return w.handshake(ctx, &recordConn{Conn: conn, seen: seen}, u)
}

func (w *wire) proxyFor(u *url.URL) (*url.URL, error) {
	if w.proxy == nil {
		return nil, nil
	}
	proxy, err := w.proxy(&http.Request{URL: u})
	if err != nil {
		return nil, &permanentError{"the proxy named in the environment is not a URL"}
	}
	if proxy != nil && proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, &permanentError{fmt.Sprintf("proxies of the kind %q are not supported", proxy.Scheme)}
	}
	return proxy, nil
}

func (w *wire) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.connectTimeout())
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address(u))
	if err != nil {
		if ctx.Err() != nil || isTimeout(err) {
			return nil, &timeoutError{doing: "connecting to " + u.Host, silent: true}
		}
		return nil, fmt.Errorf("cannot reach %s: %w", u.Host, err)
	}
	return conn, nil
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

func (w *wire) handshake(ctx context.Context, conn net.Conn, u *url.URL) (net.Conn, error) {
	conf := w.tls.Clone()
	if conf.ServerName == "" {
		conf.ServerName = u.Hostname()
	}
	over := tls.Client(conn, conf)
	if err := over.HandshakeContext(ctx); err != nil {
		err = phase(err, "agreeing on TLS with "+u.Host, false)
		if isTimeout(err) {
			return nil, err
		}
		return nil, fmt.Errorf("no secure connection to %s: %w%s", u.Host, err, hintFor(err))
	}
	return over, nil
}

func hintFor(err error) string {
	if isFinal(err) && !strings.Contains(err.Error(), "first record") {
		return " (--ca-bundle or AWS_CA_BUNDLE names further roots)"
	}
	return ""
}

// address is HOST:PORT of a URL.
func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxied is a connection to a proxy that is given whole URLs (RFC 9112, section 3.2.2).
type proxied struct {
	net.Conn
	header string // for the proxy, with its line end; may be empty
}

// authHeader is the header line by which a proxy knows us, or empty.
func authHeader(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return "Proxy-Authorization: Basic " +
		base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)) + "\r\n"
}

// tunnel asks a proxy for a connection to target (RFC 9110, section 9.3.6).
func tunnel(conn net.Conn, target, header string) error {
	head := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + header
	if _, err := conn.Write([]byte(head + "\r\n")); err != nil {
		return err
	}
	// Byte by byte: what follows the answer belongs to TLS.
	var answer strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(answer.String(), "\r\n\r\n"); {
		if answer.Len() == 16<<10 {
			return &permanentError{"the proxy's answer does not come to an end"}
		}
		if _, err := conn.Read(one); err != nil {
			return err
		}
		answer.WriteByte(one[0])
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer.String())),
		&http.Request{Method: http.MethodConnect})
	if err != nil {
		return &permanentError{"the proxy does not speak HTTP"}
	}
	if resp.StatusCode != http.StatusOK {
		return &permanentError{fmt.Sprintf("the proxy refuses to connect to %s: HTTP %d",
			target, resp.StatusCode)}
	}
	return nil
}
