package devserver

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Fault says what goes wrong with which calls. Of several conditions all must hold; without any,
// every call is hit.
type Fault struct {
	Operation   string  // name of an operation, or * for all
	Kind        string  // one of FaultKinds, or an HTTP status from 500 to 599
	First       int     // only the first so many calls of the operation
	Every       int     // only every so manieth call of the operation
	Probability float64 // only this share of the calls, 0..1; 0 means no such condition
	// of delay, skew, skewed and trickle; 0 means one second, one hour, none, 100 ms
	Time time.Duration
}

// Faults are tried in order; the first that hits a call is done to it. The counters live in the
// [Server].
type Faults struct {
	List []Fault
	Seed uint64 // of the chances; the same seed, faults and sequence of calls give the same failures
}

// FaultKinds are the kinds of fault with what each does, for help texts. Signatures are checked
// before all but skew, so that a wrong secret is never mistaken for a fault. The kinds from empty
// to trickle carry the call out and spoil its answer.
var FaultKinds = []struct{ Name, Does string }{
	{"throttle", "ThrottlingException"},
	{"limit", "LimitExceededException"},
	{"deny", "AccessDeniedException"},
	{"expired", "ExpiredTokenException"},
	{"skewed", "InvalidSignatureException, Signature expired; with a time also the skew of that time, but no request is new enough"},
	{"skew", "the server's clock is ahead by the time given (may be negative), 1h if none: for signatures and in the Date header"},
	{"internal", "KMSInternalException, status 500"},
	{"unavailable", "KeyUnavailableException, status 500"},
	{"timeout", "DependencyTimeoutException, status 503"},
	{"notfound", "NotFoundException"},
	{"disabled", "DisabledException"},
	{"pending", "KMSInvalidStateException, as of a key that is to be deleted"},
	{"badciphertext", "InvalidCiphertextException"},
	{"incorrectkey", "IncorrectKeyException"},
	{"keyusage", "InvalidKeyUsageException"},
	{"granttoken", "InvalidGrantTokenException"},
	{"delay", "the answer comes later by the time given, 1s if none"},
	{"hang", "no answer until the client goes away"},
	{"reset", "the connection is closed without an answer"},
	{"redirect", "status 307, to another path of the same server"},
	{"html", "status 200 with a page of HTML, as from a proxy"},
	{"huge", "status 200 with 1 GiB of JSON"},
	{"gzip", "status 200 with 1 GiB of JSON in 1 or 2 MiB of gzip, which nobody asked for"},
	{"empty", "{} in place of the answer"},
	{"short", "the plaintext is one byte short"},
	{"wrongkey", "the plaintext has its length, but other bytes"},
	{"noplaintext", "the answer lacks its plaintext"},
	{"noblob", "the answer lacks its ciphertext"},
	{"otherkey", "the answer names another KeyId"},
	{"badbase64", "the byte fields are not base64"},
	{"cutjson", "half of the answer, well framed"},
	{"cut", "the connection is closed in the middle of the answer"},
	{"trickle", "one byte of the answer after the other, each after the time given, 100ms if none"},
}

// ParseFaults reads faults from text, for flags: OPERATION=KIND[:CONDITION...], separated by
// commas. A condition is 2 (the first two calls), /3 (every third call), 5% (that share of the
// calls) or, for delay, skew, skewed and trickle, a time such as 250ms. seed=N sets the seed.
// Example: GenerateDataKey=throttle:2,Decrypt=empty,*=500:5%.
func ParseFaults(s string) (*Faults, error) {
	out := &Faults{}
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		left, right, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf("fault %q: not of the form OPERATION=KIND[:CONDITION]", item)
		}
		if left == "seed" {
			n, err := strconv.ParseUint(right, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("fault %q: the seed is not a number", item)
			}
			out.Seed = n
			continue
		}
		f, err := parseFault(left, strings.Split(right, ":"))
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", item, err)
		}
		out.List = append(out.List, f)
	}
	return out, nil
}

func parseFault(op string, parts []string) (Fault, error) {
	f := Fault{Operation: op, Kind: parts[0]}
	for _, c := range parts[1:] {
		var err error
		switch {
		case strings.HasSuffix(c, "%"):
			f.Probability, err = strconv.ParseFloat(strings.TrimSuffix(c, "%"), 64)
			f.Probability /= 100
			if err == nil && !(f.Probability > 0) {
				err = errors.New("not above 0")
			}
		case strings.HasPrefix(c, "/"):
			f.Every, err = atLeastOne(c[1:])
		default:
			if _, notNumber := strconv.Atoi(c); notNumber != nil {
				f.Time, err = time.ParseDuration(c)
			} else {
				f.First, err = atLeastOne(c)
			}
		}
		if err != nil {
			return f, fmt.Errorf("condition %q is none of 2 (first calls), /3 (every third call), 5%% (share of calls), 250ms (time)", c)
		}
	}
	return f, f.check()
}

func atLeastOne(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && n < 1 {
		err = errors.New("less than 1")
	}
	return n, err
}

// check refuses a fault that could never do what it says.
func (f *Fault) check() error {
	if f.Operation != "*" && !knownOperation(f.Operation) {
		return fmt.Errorf("operation %q is not known", f.Operation)
	}
	known := f.status() != 0
	for _, k := range FaultKinds {
		known = known || k.Name == f.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("kind %q is not known; there are %s, and statuses from 500 to 599",
			f.Kind, kindNames())
	case f.First < 0 || f.Every < 0:
		return errors.New("a count of calls is negative")
	case !(f.Probability >= 0 && f.Probability <= 1):
		return errors.New("a share of calls is from 0% to 100%")
	case f.Time != 0 && !f.movesClock() && f.Kind != "delay" && f.Kind != "trickle":
		return fmt.Errorf("kind %s takes no time", f.Kind)
	case f.Time < 0 && !f.movesClock():
		return errors.New("a time is negative")
	}
	return nil
}

// movesClock tells whether Time is by how much the server's clock is ahead.
func (f *Fault) movesClock() bool { return f.Kind == "skew" || f.Kind == "skewed" }

func kindNames() string {
	names := make([]string, len(FaultKinds))
	for i, k := range FaultKinds {
		names[i] = k.Name
	}
	return strings.Join(names, ", ")
}

// status is the HTTP status that Kind names, 0 where it names none.
func (f *Fault) status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 500 || n > 599 {
		return 0
	}
	return n
}

// String gives the text that ParseFaults reads.
func (f Fault) String() string {
	s := f.Operation + "=" + f.Kind
	if f.First > 0 {
		s += ":" + strconv.Itoa(f.First)
	}
	if f.Every > 0 {
		s += ":/" + strconv.Itoa(f.Every)
	}
	if f.Probability > 0 {
		s += ":" + strconv.FormatFloat(f.Probability*100, 'g', 10, 64) + "%"
	}
	if f.Time != 0 {
		s += ":" + f.Time.String()
	}
	return s
}

// injector has the faults of a server with their counters. Its owner guards it against concurrent
// use.
type injector struct {
	list []Fault
	seen []int // calls that each fault's operation had
	rand *rand.Rand
}

func newInjector(f *Faults) (*injector, error) {
	if f == nil {
		return &injector{}, nil
	}
	for _, one := range f.List {
		if err := one.check(); err != nil {
			return nil, fmt.Errorf("fault %s: %w", one, err)
		}
	}
	list := append([]Fault(nil), f.List...)
	return &injector{list: list, seen: make([]int, len(list)),
		rand: rand.New(rand.NewPCG(f.Seed, 0))}, nil
}

// next counts a call of op and says which fault hits it, nil for none. Every fault counts all calls
// of its operation, also those that another one hit.
func (in *injector) next(op string) *Fault {
	var hit *Fault
	for i := range in.list {
		f := &in.list[i]
		if f.Operation != "*" && f.Operation != op {
			continue
		}
		in.seen[i]++
		n := in.seen[i]
		if f.First > 0 && n > f.First || f.Every > 0 && n%f.Every != 0 ||
			f.Probability > 0 && in.rand.Float64() >= f.Probability {
			continue
		}
		hit = cmp.Or(hit, f)
	}
	return hit
}
