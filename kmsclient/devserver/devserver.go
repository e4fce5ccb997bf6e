// Package devserver puts KMS's own wire protocol before any [kmsclient.Service], so that the aws
// command, boto3 and every AWS SDK can talk to it: JSON 1.1 over HTTP, one POST to / an operation,
// its name in X-Amz-Target (AWS KMS API Reference). It also answers STS GetCallerIdentity, since
// clients like to know who they are.
//
// It is for development and tests, and speaks on loopback addresses only. Other users of a machine
// can reach those too, so requests must be signed (Signature Version 4) with the server's
// credentials. The Region in the signature is free, unless [Options.StrictRegion]: it takes part in
// the signature, but chooses nothing here, and `aws --region us-east-1` by habit should work.
//
// What it does not do: IAM. Key policies, grants and IAM policies are neither kept nor enforced;
// grant tokens go to the Service. [Options.Deny] refuses whole operations, for tests of least
// privilege. [Faults] makes it fail in the ways networks and services do.
//
// Plaintext keys are written into memory from package keymem and wiped when sent, request bodies
// are wiped too. The buffers of net/http and of the kernel's sockets are outside its reach: no key
// that matters should go through a development server.
//
// Start reading at the table of operations (operations.go), and at exchange.serve (handler.go),
// through which every request goes.
package devserver

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// Options configure a [Server]. The zero value works: generated credentials, signatures checked, no
// faults.
type Options struct {
	Region string // what [Server.Region] says; empty means kmsclient.LocalRegion
	// StrictRegion refuses signatures made for another Region than Region, as AWS does.
	StrictRegion bool
	// AccessKeyID and SecretAccessKey are what requests must be signed with. Both are generated when
	// both are empty.
	AccessKeyID, SecretAccessKey string
	SessionToken                 string // when set, requests must carry it too
	AllowUnsigned                bool   // check no signature at all
	// Log gets every request once it is answered. Calls may be concurrent.
	Log    func(Call)
	Faults *Faults // see [Server.SetFaults]; nil means none
	// Deny names operations, or the permissions ReEncryptFrom and ReEncryptTo, whose lack is answered
	// with AccessDeniedException.
	Deny []string
}

// Call is one answered request. It holds no key bytes.
type Call struct {
	Time      time.Time
	Operation string // as asked for; empty where the request named none that is known
	KeyID     string // the key as the request named it; may be empty
	RequestID string
	Code      string // exception name; empty after success
	Message   string // what the exception says
	Status    int    // HTTP status; 0 where a fault closed the connection without an answer
	Fault     string // the fault that was injected, as in [Fault.Kind]; empty for none
	Duration  time.Duration
}

// Server is an http.Handler that answers KMS requests from a Service. It is safe for concurrent
// use.
type Server struct {
	svc    kmsclient.Service
	opts   Options
	denied map[string]bool

	mu     sync.Mutex // guards counts and faults
	counts map[string]int
	faults *injector
}

// New makes a server for svc, which must outlive it.
func New(svc kmsclient.Service, o Options) (*Server, error) {
	if svc == nil {
		return nil, errors.New("devserver: no key service")
	}
	if (o.AccessKeyID == "") != (o.SecretAccessKey == "") {
		return nil, errors.New("devserver: AccessKeyID and SecretAccessKey go together")
	}
	if o.AccessKeyID == "" {
		o.AccessKeyID, o.SecretAccessKey = generateCredentials()
	}
	if o.Region == "" {
		o.Region = kmsclient.LocalRegion
	}
	s := &Server{svc: svc, opts: o, denied: map[string]bool{}, counts: map[string]int{}}
	for _, op := range o.Deny {
		if !knownOperation(op) && op != reEncryptFrom && op != reEncryptTo {
			return nil, fmt.Errorf("devserver: operation %q to deny is not known", op)
		}
		s.denied[op] = true
	}
	if err := s.SetFaults(o.Faults); err != nil {
		return nil, err
	}
	return s, nil
}

// Credentials are what requests must be signed with.
func (s *Server) Credentials() (accessKeyID, secretAccessKey string) {
	return s.opts.AccessKeyID, s.opts.SecretAccessKey
}

// Region is the Region that clients should be told, in AWS_REGION.
func (s *Server) Region() string { return s.opts.Region }

// Counts says how often each known operation was asked for, whatever the answer was.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// SetFaults replaces the faults, with all counters at zero; nil ends them. It may be called while
// the server works.
func (s *Server) SetFaults(f *Faults) error {
	in, err := newInjector(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = in
	return nil
}

// admit counts a request for op and says which fault it gets, nil for none.
func (s *Server) admit(op string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[op]++
	return s.faults.next(op)
}

// generateCredentials makes a key pair in the sizes of AWS's, but not to be taken for one: real ids
// start with AKIA or ASIA.
func generateCredentials() (id, secret string) {
	var r [40]byte
	rand.Read(r[:]) // never fails: crypto/rand ends the process instead
	id = "LOCAL" + base32.StdEncoding.EncodeToString(r[:10])[:15]
	return id, base64.RawURLEncoding.EncodeToString(r[10:])
}
