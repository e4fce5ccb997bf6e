package cmd

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cleanUpLimit bounds the work between a signal and the exit, should a file system hang.
const cleanUpLimit = 2 * time.Second

// live is what a signal has to know of. Signals belong to the process, so this is process-wide as well.
var live process

// process lists the outputs being written, the progress shown, and what else must be put back before the process ends.
type process struct {
	// ending is read-locked while a temp file gets its name or loses it. Whoever ends the process write-locks it for good:
	// from then on no output appears, and what is said about the outputs stays true.
	ending sync.RWMutex

	// starting is read-locked from before a command is started until it is known here, and write-locked in the same way: none may be running that
	// nobody ends.
	starting sync.RWMutex

	serving atomic.Bool // a signal is the usual end, and nothing to talk about

	mu      sync.Mutex // guards what follows
	dying   bool
	left    bool           // all is done and said
	deadly  chan os.Signal // signals to end by that nobody has taken yet
	flush   chan os.Signal // see leave
	outputs []*output      // oldest first
	bars    []*progress
	hooks   []*func()
	groups  map[int]bool // process groups of commands that may be running
}

// catchSignals makes SIGINT, SIGTERM, SIGHUP and SIGQUIT end the process with exit code 128+n (see endBy), at once, even while a read or
// the opening of a pipe blocks: hooks of atExit run, temp files are removed, and one line says what was not written. A second
// signal skips all that, and kills the commands that run. A signal that was ignored when the process started, as by nohup, stays ignored.
//
// SIGUSR1 prints a line of progress. SIGPIPE is held back so that a reader of the messages who went away does not
// end a backup; standard output is another matter, see output.Write and stdoutWriter.
//
// It is for the whole life of the process, which calls live.leave at its end.
func catchSignals() {
	deadly := make(chan os.Signal, 2)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) { // Notify would undo an inherited ignore
			signal.Notify(deadly, sig)
		}
	}
	report := make(chan os.Signal, 1)
	signal.Notify(report, syscall.SIGUSR1)
	pipe := make(chan os.Signal, 1) // never read: to be notified is enough to survive
	signal.Notify(pipe, syscall.SIGPIPE)
	flush := make(chan os.Signal, 1) // never read
	signal.Notify(flush, syscall.SIGUSR1)
	live.mu.Lock()
	live.deadly, live.flush = deadly, flush
	live.mu.Unlock()

	go func() {
		for {
			select {
			case sig := <-deadly:
				live.interrupt(sig.(syscall.Signal), deadly)
			case <-report:
				go live.report() // a stuck stderr must not hold back the signals that end
			}
		}
	}()
}

// leave is what a process that has done and said all calls before it exits. It does not return if a signal is ending the process already, so that
// the exit code is the signal's; a later one changes nothing. It leaves the signals caught: to give them back would take two changes of threads for
// each, a tenth of the time of a short run.
func (p *process) leave() {
	p.mu.Lock()
	deadly, flush := p.deadly, p.flush
	p.mu.Unlock()
	if flush != nil {
		signal.Stop(flush) // returns when all signals that have come are delivered, and is cheap as another channel has the same signal
	}
	if len(deadly) > 0 {
		select {}
	}
	p.mu.Lock()
	dying := p.dying
	p.left = !dying
	p.mu.Unlock()
	if dying {
		select {}
	}
}

// atExit has hook run if a signal ends the process, such as one that turns the terminal's echo on again. The returned
// function forgets the hook; it does not run it.
func atExit(hook func()) (forget func()) {
	entry := &hook
	live.mu.Lock()
	defer live.mu.Unlock()
	live.hooks = append(live.hooks, entry)
	return func() {
		live.mu.Lock()
		defer live.mu.Unlock()
		live.hooks = slices.DeleteFunc(live.hooks, func(h *func()) bool { return h == entry })
	}
}

func (p *process) isDying() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dying
}

// interrupt ends the process on behalf of a signal and does not return.
func (p *process) interrupt(sig syscall.Signal, again <-chan os.Signal) {
	p.mu.Lock()
	left := p.left
	p.dying = !left
	p.mu.Unlock()
	if left {
		select {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if message := p.cleanUp(); !p.serving.Load() {
			fmt.Fprintf(os.Stderr, "envseal: %s\n", message)
		}
	}()
	select {
	case <-done:
	case <-again:
	case <-time.After(cleanUpLimit):
	}
	p.killGroups()
	endBy(sig)
}

// endBy ends the process with exit code 128+sig as a shell sees it. After SIGINT it is the signal itself that does so, as a shell goes on with its
// loop or script otherwise: it takes Ctrl-C for the program's own affair. The others are exit codes, since systemd takes a backup that SIGTERM has
// killed for one that is done.
func endBy(sig syscall.Signal) {
	if sig == syscall.SIGINT && os.Getpid() != 1 { // the first process of a container survives it
		signal.Reset(sig)
		if unix.Kill(os.Getpid(), sig) == nil {
			time.Sleep(time.Second)
		}
	}
	os.Exit(128 + int(sig))
}

// addGroup notes the process group of a command, which must not outlive this process.
func (p *process) addGroup(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups == nil {
		p.groups = map[int]bool{}
	}
	p.groups[id] = true
}

// groupEnded forgets a group. Its number may soon be another's.
func (p *process) groupEnded(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.groups, id)
}

// killGroups is for the commands that there was no time to end in good order: the machine is slow, or the user impatient.
func (p *process) killGroups() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.groups {
		_ = unix.Kill(-id, unix.SIGKILL)
	}
}

// cleanUp runs the hooks, removes the temp files and tells what was lost. The caller ends the process: after this no output can be
// made, committed or aborted any more.
func (p *process) cleanUp() string {
	p.starting.Lock() // for good
	p.mu.Lock()
	hooks := slices.Clone(p.hooks)
	p.mu.Unlock()
	for _, hook := range slices.Backward(hooks) {
		(*hook)()
	}
	p.ending.Lock() // for good
	message := p.removeTemps()
	hideProgress() // last, as a terminal may be stuck
	return message
}

// removeTemps removes the temp files of all outputs and says what is not whole. The caller holds ending.
func (p *process) removeTemps() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.outputs {
		o.removeTemp()
	}
	if len(p.outputs) == 0 {
		return "interrupted"
	}
	first, more := p.outputs[0], ""
	if n := len(p.outputs) - 1; n > 0 {
		more = fmt.Sprintf(", nor were %d more", n)
	}
	if first.direct {
		return fmt.Sprintf("interrupted, what was written to %s is not whole%s", shown(first.target), more)
	}
	return fmt.Sprintf("interrupted, %s was not written%s", shown(first.target), more)
}

// report prints a line for each progress.
func (p *process) report() {
	for _, bar := range p.allBars() {
		bar.report()
	}
}

// endByPipe ends the process the way the shell expects of a filter whose reader has gone: killed by SIGPIPE (141), with no
// message. It does not return. broken is the pipe.
func (p *process) endByPipe(broken *os.File) {
	p.cleanUp()
	signal.Reset(syscall.SIGPIPE)
	if broken == os.Stdout {
		// Nobody is notified any more, so the runtime answers a broken standard output by dying of the signal.
		_, _ = broken.Write([]byte{0})
	}
	os.Exit(128 + int(syscall.SIGPIPE))
}

func (p *process) addOutput(o *output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputs = append(p.outputs, o)
}

func (p *process) dropOutput(o *output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputs = slices.DeleteFunc(p.outputs, func(other *output) bool { return other == o })
}

func (p *process) addBar(b *progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bars = append(p.bars, b)
}

// dropBar is false if b had been dropped before.
func (p *process) dropBar(b *progress) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.bars)
	p.bars = slices.DeleteFunc(p.bars, func(other *progress) bool { return other == b })
	return len(p.bars) < before
}

func (p *process) allBars() []*progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.bars)
}
