//go:build torture

package kmstorture

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// connHandler serves one connection, which is closed when it returns.
type connHandler func(net.Conn)

// front is a listener before a service. It counts the connections.
type front struct {
	net.Listener
	accepted atomic.Int64
	mu       sync.Mutex
	open     []net.Conn
}

// listen gives each connection to serve, on a goroutine of its own.
func listen(serve connHandler) (*front, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{Listener: ln}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.accepted.Add(1)
			f.mu.Lock()
			f.open = append(f.open, conn)
			f.mu.Unlock()
			go func() { defer conn.Close(); serve(conn) }()
		}
	}()
	return f, nil
}

func (f *front) count() int { return int(f.accepted.Load()) }

func (f *front) close() {
	f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.open {
		conn.Close()
	}
}

// swallow reads and never answers.
func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// says answers with text to whatever comes first.
func says(text string) connHandler {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
	}
}

// reset closes the connection once the client has said something.
func reset(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 16))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// relay speaks TLS with the client and plain TCP with the service. limit bounds the bytes of the
// answer, after which the connection ends without TLS's closing word; 0 is no limit.
func relay(s *service, conf *tls.Config, limit int64) connHandler {
	return func(conn net.Conn) {
		over := tls.Server(conn, conf)
		if over.Handshake() != nil {
			return
		}
		back, err := net.Dial("tcp", s.url[len("http://"):])
		if err != nil {
			return
		}
		defer back.Close()
		go func() { _, _ = io.Copy(back, over) }()
		if limit > 0 {
			_, _ = io.CopyN(over, back, limit)
			return
		}
		_, _ = io.Copy(over, back)
		_ = over.Close()
	}
}

// certificate makes one that signs itself, and the file of it that --ca-bundle takes.
func certificate(name string, until time.Time) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour),
		NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	file := filepath.Join(scratch, fmt.Sprintf("ca.%d.pem", serviceCount.Add(1)))
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file, err
}

// blackHole is an address that answers no SYN: a listener that accepts nothing, with its queue
// full.
func blackHole() (addr string, end func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	var queued []net.Conn
	end = func() {
		for _, conn := range queued {
			conn.Close()
		}
		syscall.Close(fd)
	}
	err = errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		syscall.Listen(fd, 0))
	name, nameErr := syscall.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		end()
		return "", nil, err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 8 {
		conn, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			return addr, end, nil
		}
		queued = append(queued, conn)
	}
	end()
	return "", nil, errors.New("a listener with a queue of 0 took 8 connections")
}

// TestTortureKMSBlackHole checks the black hole itself, which the tests of connecting rely on.
func TestTortureKMSBlackHole(t *testing.T) {
	t.Parallel()
	addr, end, err := blackHole()
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		conn.Close()
		t.Error("it took a connection")
	}
}
