//go:build torture

package kmstorture

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient/devserver"
)

// A service that says "try again" gets five attempts, with waits of up to 0.5, 1, 2 and 4 s between
// them; one that says nothing gets two of 12 s; all others get one.
const (
	refusedTime = slack
	retriedTime = 7500*time.Millisecond + slack
	silentTime  = 2*12*time.Second + 500*time.Millisecond + slack
)

// fault is a row of the table: what is done to every call of an operation, and what must come of
// it.
type fault struct {
	kind     string // of devserver, with its conditions
	attempts int
	code     int // of exit
	most     time.Duration
	words    []string // that stderr must have, beside the key and the operation
}

func faults() []fault {
	retry := func(kind string, words ...string) fault { return fault{kind, 5, 6, retriedTime, words} }
	no := func(kind string, words ...string) fault { return fault{kind, 1, 5, refusedTime, words} }
	bad := func(kind string) fault { return no(kind, "unusable answer", "nothing was written") }
	return []fault{
		{"hang", 2, 6, silentTime, []string{"timeout", "check the endpoint"}},
		{"trickle:200ms", 2, 6, silentTime, []string{"timeout", "check the endpoint"}},
		retry("throttle", "ThrottlingException", "request id", "try again"),
		retry("limit", "LimitExceededException", "request id", "try again"),
		retry("internal", "KMSInternalException", "request id", "try again"),
		retry("unavailable", "KeyUnavailableException", "request id", "try again"),
		retry("timeout", "DependencyTimeoutException", "request id", "try again"),
		retry("500", "request id"), retry("502"), retry("503"), retry("504"),
		retry("reset", "check the endpoint"), retry("cut", "in the middle of the answer"),
		no("deny", "arn:aws:iam::000000000000:user/local", "is not authorized to perform: kms:",
			"request id", "permission"),
		no("disabled", "DisabledException", "request id", "enable-key"),
		no("pending", "KMSInvalidStateException", "request id", "cancel-key-deletion"),
		no("notfound", "NotFoundException", "request id", "list-keys"),
		no("badciphertext", "InvalidCiphertextException", "request id", "encryption context"),
		no("incorrectkey", "IncorrectKeyException", "request id", "hint: "),
		no("keyusage", "InvalidKeyUsageException", "request id", "ENCRYPT_DECRYPT"),
		no("granttoken", "InvalidGrantTokenException", "request id", "--grant-tokens"),
		no("expired", "ExpiredTokenException", "have expired", "set new AWS_ACCESS_KEY_ID"),
		no("skewed", "InvalidSignatureException", "request id"),
		{"skewed:1h", 2, 5, refusedTime, []string{"clock is ", "behind", "set the clock"}},
		{"skewed:-1h", 2, 5, refusedTime, []string{"clock is ", "ahead", "set the clock"}},
		{"skew:1h", 2, 0, refusedTime, nil}, {"skew:-1h", 2, 0, refusedTime, nil},
		{"delay:2s", 1, 0, refusedTime, nil},
		bad("empty"), bad("short"), bad("noplaintext"), bad("noblob"), bad("otherkey"), bad("html"),
		bad("cutjson"), bad("badbase64"), bad("huge"), bad("gzip"), bad("redirect"),
		{"wrongkey", 1, 4, refusedTime, nil},
	}
}

// TestTortureKMSTable does every kind of fault to every command.
func TestTortureKMSTable(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	type trial struct {
		fault
		command
	}
	var all []trial
	seen := map[string]bool{}
	for _, f := range faults() {
		seen[f.plain()] = true
		for _, c := range commands() {
			if c.has(f) {
				all = append(all, trial{f.in(c), c})
			}
		}
	}
	for _, k := range devserver.FaultKinds {
		if !seen[k.Name] {
			t.Errorf("the fault %s is not tried", k.Name)
		}
	}
	inParallel(all, func(x trial) {
		o, err := x.fault.try(x.command)
		if err != nil {
			t.Errorf("%s during %s: %v\n%s", x.kind, x.command.name, err, o.stderr)
		}
		count.count("envseal", "answer "+x.kind, o, err != nil,
			fmt.Sprintf("%d attempts, exit %d", x.attempts, x.fault.code))
	})
}

// plain is the kind without its conditions.
func (f fault) plain() string {
	kind, _, _ := strings.Cut(f.kind, ":")
	return kind
}

// in is the fault as the command sees it.
func (f fault) in(c command) fault {
	if slices.Contains(c.damage, f.plain()) {
		f.code, f.words = 4, nil
	}
	return f
}

var (
	withPlaintext = []string{"GenerateDataKey", "Decrypt"}
	// What a Region's stand-in cannot do: it has no connection of its own.
	needsConnection = []string{"reset", "cut", "trickle", "huge", "gzip", "skew", "skewed"}
)

// has tells whether the fault changes anything that the command can see.
func (c command) has(f fault) bool {
	kind := f.plain()
	if c.serve != nil && slices.Contains(needsConnection, kind) || slices.Contains(c.blind, kind) {
		return false
	}
	switch kind {
	case "short", "noplaintext", "wrongkey":
		return slices.Contains(withPlaintext, c.op)
	case "noblob":
		return c.op != "Decrypt"
	}
	return true
}

// start serves the keystore with the fault, in every call of the command's operation.
func (f fault) start(c command) (*service, error) {
	faults := c.op + "=" + f.kind
	if c.serve != nil {
		return c.serve(faults)
	}
	if f.kind == "deny" { // of the two ways to have it, the one that names the key
		return serve("", "--deny", c.op)
	}
	return serve(faults)
}

// try runs the command once and says what is not as the table has it.
func (f fault) try(c command) (outcome, error) {
	dir, err := workplace(c.files...)
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	before, err := listing(dir)
	if err != nil {
		return outcome{}, err
	}
	s, err := f.start(c)
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	o := envseal(dir, s.env, append(slices.Clone(c.args), "--debug")...)
	errs := []error{f.check(c, o), f.counted(c, s)}
	switch {
	case f.code != 0:
		errs = append(errs, unchanged(dir, before))
	case c.done != nil:
		errs = append(errs, c.done(dir))
	}
	return o, errors.Join(errs...)
}

// check looks at the exit code, the time, the memory and the words.
func (f fault) check(c command, o outcome) error {
	errs := []error{o.within(min(f.most, callLimit))}
	if o.code != f.code {
		errs = append(errs, fmt.Errorf("exit code %d, want %d", o.code, f.code))
	}
	if f.code != 0 && len(o.stdout) > 0 {
		errs = append(errs, fmt.Errorf("%d bytes on stdout", len(o.stdout)))
	}
	if o.attempts() != f.attempts {
		errs = append(errs, fmt.Errorf("%d attempts, want %d", o.attempts(), f.attempts))
	}
	if f.code == 5 || f.code == 6 {
		errs = append(errs, o.lacks(f.words...), o.lacks("envseal: error: ", c.op))
		if !c.words {
			errs = append(errs, namesKey(o))
		}
	}
	return errors.Join(errs...)
}

// namesKey tells whether one of the keys is named, in whichever Region.
func namesKey(o outcome) error {
	for _, arn := range fixture.keys {
		if o.lacks(arn[strings.LastIndexByte(arn, ':'):]) == nil {
			return nil
		}
	}
	return errors.New("stderr names no key")
}

// counted compares the attempts with what the server saw.
func (f fault) counted(c command, s *service) error {
	calls, err := s.calls(c.first + f.attempts)
	n := 0
	for _, call := range calls {
		if call.Operation == c.op {
			n++
		}
	}
	if err == nil && n != f.attempts {
		err = fmt.Errorf("the server saw %d attempts, want %d", n, f.attempts)
	}
	return err
}
