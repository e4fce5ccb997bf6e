package devserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
)

const (
	jsonType     = "application/x-amz-json-1.1"
	formType     = "application/x-www-form-urlencoded"
	targetPrefix = "TrentService." // KMS's name in X-Amz-Target
	maxBody      = 64 << 10
)

// exchange is one request on its way to its answer.
type exchange struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	call  Call
	fault *Fault
	query bool // the Query protocol of STS: XML answers
}

// ServeHTTP answers one request. Every answer has an x-amzn-RequestId and, but for STS and where a
// fault says otherwise, a JSON body.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Server: s, w: w, r: r}
	x.call.Time, x.call.RequestID = time.Now(), newRequestID()
	w.Header().Set("x-amzn-RequestId", x.call.RequestID)
	w.Header().Set("Cache-Control", "no-store")
	if no := x.serve(); no != nil {
		x.refuse(no)
	}
	x.call.Duration = time.Since(x.call.Time)
	if s.opts.Log != nil {
		s.opts.Log(x.call)
	}
}

// serve does what was asked and writes the answer, or says why not.
func (x *exchange) serve() *refusal {
	if no := x.checkShape(); no != nil {
		return no
	}
	body, no := readBody(x.w, x.r)
	defer keymem.Wipe(body)
	if no != nil {
		return no
	}
	op, service := x.operation(body)
	if knownOperation(op) {
		x.call.Operation, x.fault = op, x.admit(op)
	}
	now := time.Now()
	if x.fault != nil {
		x.call.Fault = x.fault.Kind
		now = x.skewClock(now)
	}
	if no := x.authenticate(x.r, body, service, now); no != nil {
		return no
	}
	if x.call.Operation == "" {
		return refuse("UnknownOperationException",
			"Operation %q is not one of this development server", op)
	}
	if done, no := x.interfere(); done || no != nil {
		return no
	}
	return x.perform(op, body)
}

// perform runs a known operation and writes its answer.
func (x *exchange) perform(op string, body []byte) *refusal {
	if x.query {
		if x.denied[op] {
			return x.denial(op, "*")
		}
		x.write(http.StatusOK, "text/xml", x.callerIdentity())
		return nil
	}
	in, no := parseRequest(body)
	if no != nil {
		return no
	}
	defer in.wipe()
	x.call.KeyID = in.keyName()
	if no = x.checkDenied(op, in); no != nil {
		return no
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), writeTimeout)
	defer cancel()
	out := newAnswer(x.fault)
	defer out.wipe()
	if err := operations[op](ctx, x.svc, in, out); err != nil {
		return asRefusal(err)
	}
	b, err := out.finish()
	if err != nil {
		return asRefusal(err)
	}
	x.answer(b)
	return nil
}

// checkShape refuses what cannot be a request to KMS, before anything of it is read.
func (x *exchange) checkShape() *refusal {
	r := x.r
	if !loopbackHost(r.Host) {
		why := fmt.Sprintf("Host %q is not a loopback address: this server answers local requests only",
			r.Host)
		return &refusal{"AccessDeniedException", why, http.StatusForbidden}
	}
	if r.URL.Query().Has("X-Amz-Signature") || r.URL.Query().Has("X-Amz-Algorithm") {
		return refuse("IncompleteSignatureException",
			"Presigned requests are not supported: sign in the Authorization header")
	}
	if r.URL.Path != "/" || r.URL.RawQuery != "" {
		return &refusal{"UnknownOperationException",
			"KMS has one path, / without a query; the operation is named in X-Amz-Target",
			http.StatusNotFound}
	}
	if r.Method != http.MethodPost {
		x.w.Header().Set("Allow", http.MethodPost)
		return &refusal{"UnknownOperationException", "KMS takes POST requests only",
			http.StatusMethodNotAllowed}
	}
	mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	x.query = err == nil && mt == formType && r.Header.Get("X-Amz-Target") == ""
	if x.query || err == nil && mt == jsonType {
		return nil
	}
	return &refusal{"UnknownOperationException", "Content-Type must be " + jsonType,
		http.StatusUnsupportedMediaType}
}

// operation is the name of what is asked for, and the service that has it.
func (x *exchange) operation(body []byte) (op, service string) {
	if x.query {
		return queryAction(body), "sts"
	}
	targets := x.r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return "", "kms"
	}
	op, ok := strings.CutPrefix(targets[0], targetPrefix)
	if !ok || operations[op] == nil {
		return targets[0], "kms"
	}
	return op, "kms"
}

// readBody reads a body of at most maxBody into memory that the caller wipes, also after a failure.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := &refusal{"RequestEntityTooLargeException",
		fmt.Sprintf("The request is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge}
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	size := int64(maxBody) // unknown for a chunked body
	if r.ContentLength >= 0 {
		size = r.ContentLength
	}
	body := make([]byte, size+1)
	n, err := io.ReadFull(http.MaxBytesReader(w, r.Body, maxBody), body)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return body[:n], tooLarge
	case err == io.EOF ||
		err == io.ErrUnexpectedEOF && (r.ContentLength < 0 || int64(n) == r.ContentLength):
		return body[:n], nil
	}
	return body[:n], malformed("The request ended before its announced length")
}

// refuse writes an error answer.
func (x *exchange) refuse(no *refusal) {
	x.call.Code, x.call.Message = no.code, no.message
	if x.query {
		x.write(no.status, "text/xml", no.xml(x.call.RequestID))
		return
	}
	x.write(no.status, jsonType, no.json())
}

func (x *exchange) write(status int, contentType string, body []byte) {
	x.head(status, contentType, len(body))
	x.w.Write(body) // a client that went away needs no answer
}

// head announces a body of so many bytes.
func (x *exchange) head(status int, contentType string, length int) {
	x.call.Status = status
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(length))
	x.w.WriteHeader(status)
}

// newRequestID is a random UUID (RFC 9562, version 4).
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
