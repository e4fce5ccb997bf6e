package devserver

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

const (
	hugeBody  = 1 << 30
	hugePiece = 1 << 16
)

// faultRefusals are the faults that are no more than an exception.
var faultRefusals = map[string]*refusal{
	"throttle": refuse("ThrottlingException", "Rate exceeded"),
	"limit":    refuse("LimitExceededException", "A quota of the account was exceeded"),
	"expired": refuse("ExpiredTokenException",
		"The security token included in the request is expired"),
	"internal":      refuse("KMSInternalException", "An internal error occurred"),
	"unavailable":   refuse("KeyUnavailableException", "The key is not available"),
	"timeout":       refuse("DependencyTimeoutException", "A dependency timed out"),
	"notfound":      refuse("NotFoundException", "The key does not exist"),
	"disabled":      refuse("DisabledException", "The key is disabled"),
	"pending":       refuse("KMSInvalidStateException", "The key is pending deletion"),
	"badciphertext": refuse("InvalidCiphertextException", "The ciphertext is not valid"),
	"incorrectkey": refuse("IncorrectKeyException",
		"The key ID in the request does not identify a key that can perform this operation"),
	"keyusage": refuse("InvalidKeyUsageException",
		"The key usage is SIGN_VERIFY, not ENCRYPT_DECRYPT"),
	"granttoken": refuse("InvalidGrantTokenException", "The grant token is not valid"),
}

// skewClock is the server's time under a fault that moves its clock, which goes into the Date
// header too.
func (x *exchange) skewClock(now time.Time) time.Time {
	by := x.fault.Time
	switch {
	case !x.fault.movesClock() || x.fault.Kind == "skewed" && by == 0:
		return now
	case by == 0:
		by = time.Hour
	}
	now = now.Add(by)
	x.w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	return now
}

// interfere does what a fault does before or in place of the operation. done means that the request
// was answered, or never will be.
func (x *exchange) interfere() (done bool, no *refusal) {
	f := x.fault
	if f == nil {
		return false, nil
	}
	if no := faultRefusals[f.Kind]; no != nil {
		return false, no
	}
	if status := f.status(); status != 0 {
		return false, &refusal{"InternalFailure", fmt.Sprintf("status %d, as asked", status), status}
	}
	switch f.Kind {
	case "deny":
		return false, x.denial(x.call.Operation, "*")
	case "skewed":
		return false, refuse("InvalidSignatureException",
			"Signature expired: the request was signed too long ago")
	case "delay":
		x.wait(f.Time, time.Second)
		return false, nil
	case "hang":
		<-x.r.Context().Done()
	case "reset":
		x.hangUp()
	case "redirect":
		x.w.Header().Set("Location", "/elsewhere")
		x.write(http.StatusTemporaryRedirect, jsonType, []byte("{}"))
	case "html":
		x.write(http.StatusOK, "text/html",
			[]byte("<!doctype html><title>Welcome</title><p>Please log in to the network."))
	case "huge":
		x.flood(`{"Plaintext":"`, strings.Repeat("A", hugePiece), `"}`)
	case "gzip":
		x.w.Header().Set("Content-Encoding", "gzip")
		x.flood(gzipped(`{"Plaintext":"`), gzipped(strings.Repeat("A", hugePiece)), gzipped(`"}`))
	default: // it spoils the answer, later
		return false, nil
	}
	return true, nil
}

// wait lets a time go by, or less if the client goes away.
func (x *exchange) wait(d, usual time.Duration) {
	ctx, cancel := context.WithTimeout(x.r.Context(), cmp.Or(d, usual))
	defer cancel()
	<-ctx.Done()
}

// hangUp closes the connection with a reset. Where there is no connection to be had, the request
// ends with an empty answer.
func (x *exchange) hangUp() {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// flood sends a head, a piece that stands for hugePiece bytes until there are hugeBody of them, and
// a tail; less if the client has had enough.
func (x *exchange) flood(head, piece, tail string) {
	x.call.Status = http.StatusOK
	x.w.Header().Set("Content-Type", jsonType)
	_, err := io.WriteString(x.w, head)
	for i := 0; i < hugeBody/hugePiece && err == nil; i++ {
		_, err = io.WriteString(x.w, piece)
	}
	if err == nil {
		io.WriteString(x.w, tail)
	}
}

// gzipped is a member of a gzip stream, of which there may be many behind one another (RFC 1952,
// section 2.2).
func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b) // a bytes.Buffer never fails
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

// answer writes the answer of an operation, as whole as the fault leaves it. One without a body has
// nothing to spoil.
func (x *exchange) answer(b []byte) {
	kind := ""
	if x.fault != nil && b != nil {
		kind = x.fault.Kind
	}
	switch kind {
	case "empty":
		x.write(http.StatusOK, jsonType, []byte("{}"))
	case "cutjson":
		x.write(http.StatusOK, jsonType, b[:len(b)/2])
	case "cut": // less than the announced length makes net/http close the connection
		x.head(http.StatusOK, jsonType, len(b))
		x.w.Write(b[:len(b)/2])
	case "trickle":
		x.trickle(b)
	default:
		x.write(http.StatusOK, jsonType, b)
	}
}

func (x *exchange) trickle(b []byte) {
	x.head(http.StatusOK, jsonType, len(b))
	flush := http.NewResponseController(x.w)
	for i := range b {
		if _, err := x.w.Write(b[i : i+1]); err != nil || x.r.Context().Err() != nil {
			return
		}
		flush.Flush()
		x.wait(x.fault.Time, 100*time.Millisecond)
	}
}

// alterText says what a fault makes of a string member of the answer.
func (f *Fault) alterText(name, s string) string {
	if f == nil || f.Kind != "otherkey" || name != "KeyId" && name != "Arn" {
		return s
	}
	return "arn:aws:kms:" + kmsclient.LocalRegion + ":" + kmsclient.LocalAccount +
		":key/00000000-0000-4000-8000-000000000000"
}

// onBlob is the kind of the fault if it changes this byte member of the answer, or else empty.
func (f *Fault) onBlob(name string) string {
	if f == nil {
		return ""
	}
	end := ""
	switch f.Kind {
	case "noblob":
		end = "CiphertextBlob"
	case "noplaintext", "short", "wrongkey":
		end = "Plaintext"
	case "badbase64":
	default:
		return ""
	}
	if !strings.HasSuffix(name, end) {
		return ""
	}
	return f.Kind
}
