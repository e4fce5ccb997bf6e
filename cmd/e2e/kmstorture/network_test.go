//go:build torture

package kmstorture

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// breakage is what happens to the network, and what must come of it.
type breakage struct {
	name        string
	toxics      []toxic
	down        bool
	least, most int // attempts
	code        int
	time        time.Duration
	words       []string
	faults      string // of the service itself
	// luck decides whether it gets through, or ends with code 6 after the most attempts
	either bool
}

func breakages() []breakage {
	spoil := func(kind, stream string, attributes map[string]any) []toxic {
		return []toxic{{Type: kind, Stream: stream, Toxicity: 1, Attributes: attributes}}
	}
	type m = map[string]any
	fine := func(name string, t ...toxic) breakage {
		return breakage{name: name, toxics: t, least: 1, most: 1, time: 5*time.Second + slack}
	}
	lost := func(name string, toxics []toxic) breakage {
		return breakage{name: name, toxics: toxics, least: 5, most: 5, code: 6, time: retriedTime,
			words: []string{"check the endpoint"}}
	}
	mute := func(name string, toxics []toxic) breakage {
		return breakage{name: name, toxics: toxics, least: 2, most: 2, code: 6, time: silentTime,
			words: []string{"timeout while waiting for the answer"}}
	}
	down := lost("connection refused", nil)
	down.down, down.words = true, []string{"cannot reach", "refused"}
	// the server's patience with a request ends after 5 s
	unheard := func(name string, toxics []toxic) breakage {
		return breakage{name: name, toxics: toxics, least: 2, most: 5, code: 6,
			time: 5*5*time.Second + retriedTime, words: []string{"check the endpoint"}}
	}
	late := lost("closed after 700 ms", spoil("timeout", answer, m{"timeout": 700}))
	late.time += 5 * 700 * time.Millisecond
	return []breakage{
		unheard("request never arrives", spoil("timeout", request, m{"timeout": 0})),
		unheard("request 14 s late", spoil("latency", request, m{"latency": 14_000})),
		mute("answer 14 s late", spoil("latency", answer, m{"latency": 14_000})),
		mute("answer byte by byte", spoil("slicer", answer, m{"average_size": 1, "delay": 100_000})),
		down, late, lost("answer swallowed, then closed", spoil("timeout", answer, m{"timeout": 0})),
		lost("request reset", spoil("reset_peer", request, m{"timeout": 0})),
		lost("answer reset", spoil("reset_peer", answer, m{"timeout": 0})),
		lost("request cut at 100 bytes", spoil("limit_data", request, m{"bytes": 100})),
		lost("request cut at 700 bytes", spoil("limit_data", request, m{"bytes": 700})),
		lost("answer cut at 0 bytes", spoil("limit_data", answer, m{"bytes": 0})),
		lost("answer cut at 40 bytes", spoil("limit_data", answer, m{"bytes": 40})),
		lost("answer cut at 300 bytes", spoil("limit_data", answer, m{"bytes": 300})),
		fine("2 s of latency", spoil("latency", answer, m{"latency": 2000, "jitter": 500})...),
		fine("closed 3 s late", spoil("slow_close", answer, m{"delay": 3000})...),
		fine("1 KB/s", append(spoil("bandwidth", request, m{"rate": 1}),
			spoil("bandwidth", answer, m{"rate": 1})...)...),
		fine("pieces of 10 bytes", append(spoil("slicer", request, m{"average_size": 10, "delay": 1000}),
			spoil("slicer", answer, m{"average_size": 10, "delay": 1000})...)...),
	}
}

// longest is a network so slow that five attempts would take more than a call may.
func longest() breakage {
	return breakage{name: "throttled, and 11.5 s late", toxics: []toxic{
		{Type: "latency", Stream: answer, Toxicity: 1, Attributes: map[string]any{"latency": 11_500}}},
		faults: "*=throttle", least: 4, most: 5, code: 6, time: callLimit + slack,
		words: []string{"Rate exceeded"}}
}

// networkCommands stand for the four operations with one answer each.
func networkCommands() []command {
	if full {
		return some("encrypt", "decrypt", "rewrap", "data-key", "kms generate-data-key")
	}
	return some("encrypt", "decrypt", "rewrap")
}

// TestTortureKMSNetwork lets every command reach the key service through a network that breaks.
func TestTortureKMSNetwork(t *testing.T) {
	t.Parallel()
	proxy := startToxiproxy(t)
	count := newTally(t)
	half := breakage{name: "half of the connections reset", least: 1,
		most: 5, time: retriedTime, either: true, toxics: []toxic{
			{Type: "reset_peer", Stream: answer, Toxicity: 0.5, Attributes: map[string]any{"timeout": 0}}}}
	flaky := 3
	if full {
		flaky = 20
	}
	type trial struct {
		breakage
		command
	}
	var all []trial
	rows := breakages()
	if full {
		rows = append([]breakage{longest()}, rows...)
	}
	for _, c := range networkCommands() {
		for _, b := range rows {
			all = append(all, trial{b, c})
		}
		for range flaky {
			all = append(all, trial{half, c})
		}
	}
	inParallel(all, func(x trial) {
		o, err := x.breakage.try(proxy, x.command)
		if err != nil {
			t.Errorf("%s during %s: %v\n%s", x.breakage.name, x.command.name, err, o.stderr)
		}
		count.count("envseal", "network: "+x.breakage.name, o, err != nil, x.breakage.says())
	})
}

func (b breakage) says() string {
	if b.either {
		return fmt.Sprintf("up to %d attempts, exit 0 or 6", b.most)
	}
	if b.least == b.most {
		return fmt.Sprintf("%d attempts, exit %d", b.most, b.code)
	}
	return fmt.Sprintf("%d to %d attempts, exit %d", b.least, b.most, b.code)
}

func (b breakage) try(proxy *toxiproxy, c command) (outcome, error) {
	s, err := serve(b.faults)
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	url, err := proxy.before(s, b.down, b.toxics...)
	if err != nil {
		return outcome{}, err
	}
	return b.run(c, s.at(url))
}

// run has the command work in that environment and says what is not as it must be.
func (b breakage) run(c command, env []string) (outcome, error) {
	dir, err := workplace(c.files...)
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	before, err := listing(dir)
	if err != nil {
		return outcome{}, err
	}
	o := envseal(dir, env, append(slices.Clone(c.args), "--debug")...)
	if b.either && o.code == 6 {
		b.code, b.least = 6, b.most
	}
	errs := []error{o.within(min(b.time, callLimit+slack)), o.lacks(b.words...)}
	if o.code != b.code {
		errs = append(errs, fmt.Errorf("exit code %d, want %d", o.code, b.code))
	}
	if n := o.attempts(); n < b.least || n > b.most {
		errs = append(errs, fmt.Errorf("%d attempts, want %d to %d", n, b.least, b.most))
	}
	switch {
	case b.code != 0:
		errs = append(errs, unchanged(dir, before))
	case c.done != nil:
		errs = append(errs, c.done(dir))
	}
	return o, errors.Join(errs...)
}
