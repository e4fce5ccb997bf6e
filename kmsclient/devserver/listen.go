package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Limits of a connection. A key pair of RSA_4096 may take seconds to make, so that writing has a
// long one.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 16 << 10
	grace          = 2 * time.Second // for requests under way when Serve is told to end
)

// Listen opens a TCP listener on a loopback address: 127.0.0.1:PORT, [::1]:PORT or localhost:PORT,
// port 0 for any free one. Any other address is an error, also one that stands for all interfaces.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: not of the form 127.0.0.1:PORT", addr)
	}
	ip, err := loopbackIP(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(ip.String(), port))
}

// loopbackIP is the address that host stands for, IPv4 before IPv6. It is an IP address, so that a
// name is looked up only once.
func loopbackIP(ctx context.Context, host string) (netip.Addr, error) {
	if host == "" {
		return netip.Addr{}, errors.New(
			"stands for all interfaces; the development server listens on loopback only, such as 127.0.0.1")
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip)
	} else if addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
		return netip.Addr{}, fmt.Errorf("look up %s: %w", host, err)
	}
	var found netip.Addr
	for _, ip := range addrs {
		ip = ip.Unmap()
		if !ip.IsLoopback() {
			return netip.Addr{}, fmt.Errorf("%s is not a loopback address; the development server listens on loopback only, such as 127.0.0.1", ip)
		}
		if !found.IsValid() || ip.Is4() && !found.Is4() {
			found = ip
		}
	}
	if !found.IsValid() {
		return netip.Addr{}, fmt.Errorf("%s has no address", host)
	}
	return found, nil
}

// Serve answers requests from ln until ctx ends, then lets requests under way finish for up to two
// seconds, closes ln and returns nil. It refuses a listener that is not on loopback. It may run
// more than once at a time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if a, ok := ln.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		ln.Close()
		return fmt.Errorf("listener on %s: the development server listens on loopback only", ln.Addr())
	}
	// Requests outlive ctx by the time of grace.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		BaseContext:    func(net.Listener) context.Context { return base },
		// broken requests of clients, which they are told about
		ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	patience, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	if srv.Shutdown(patience) != nil {
		srv.Close() // before the contexts end, so that nothing cut short looks like an answer
	}
	<-ended
	return nil
}

// loopbackHost tells whether a Host header names this machine. A page of the web whose name was
// made to point at 127.0.0.1 (DNS rebinding) sends its own name.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
