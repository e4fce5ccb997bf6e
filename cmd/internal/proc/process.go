// Package proc is the process and its end: signals, what must be put back before it ends, and the
// groups of commands that it started. It knows neither files nor terminals: whoever has something
// to put back says how. Begin with [Catch].
package proc

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

// self is this process. Signals belong to the process, so what they have to know is process-wide.
var self process

// Unfinished is a piece of work that leaves something behind if the process ends in the middle.
type Unfinished interface {
	// Discard removes what was made so far. Nothing gets or loses a name any more when it is called.
	Discard()
	// Lost says what the user does not have now, such as "FILE was not written".
	Lost() string
}

// process knows what must be put back, removed or said before the process ends.
type process struct {
	// ending is read-locked while a temp file gets its name or loses it. Whoever ends the process
	// write-locks it for good: no output appears from then on, and what is said stays true.
	ending sync.RWMutex

	// starting is the same for commands: read-locked from before one is started until its group
	// is known here. None may be running that nobody ends.
	starting sync.RWMutex

	serving atomic.Bool // a signal is the usual end, and nothing to talk about

	mu     sync.Mutex // guards what follows
	dying  bool
	left   bool           // all is done and said
	deadly chan os.Signal // signals to end by that nobody has taken yet
	flush  chan os.Signal // see Leave
	hide   func()         // clears the terminal's line
	works  []Unfinished   // oldest first
	hooks  []*func()
	groups map[int]bool // process groups of commands that may be running
}

// Catch makes SIGINT, SIGTERM, SIGHUP and SIGQUIT end the process with exit code 128+n (see
// endBy), at once, even while a read or the opening of a pipe blocks: hooks of AtExit run, what is
// unfinished is discarded, and one line says what was not written. A second signal skips all that,
// and kills the commands that run. A signal that was ignored when the process started, as by
// nohup, stays ignored.
//
// SIGUSR1 calls report. hide is called last of all, to clear the terminal's line. SIGPIPE is held
// back so that a reader of the messages who went away does not end a backup; standard output is
// another matter, see EndByPipe.
//
// It is for the whole life of the process, which calls Leave at its end.
func Catch(hide, report func()) {
	deadly := make(chan os.Signal, 2)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) { // Notify would undo an inherited ignore
			signal.Notify(deadly, sig)
		}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	pipe := make(chan os.Signal, 1) // never read: to be notified is enough to survive
	signal.Notify(pipe, syscall.SIGPIPE)
	flush := make(chan os.Signal, 1) // never read
	signal.Notify(flush, syscall.SIGUSR1)
	self.mu.Lock()
	self.deadly, self.flush, self.hide = deadly, flush, hide
	self.mu.Unlock()

	go func() {
		for {
			select {
			case sig := <-deadly:
				self.interrupt(sig.(syscall.Signal), deadly)
			case <-asked:
				go report() // a stuck stderr must not hold back the signals that end
			}
		}
	}()
}

// Leave is what a process that has done and said all calls before it exits. It does not return if
// a signal is ending the process already, so that the exit code is the signal's; a later one
// changes nothing. It leaves the signals caught: to give them back would take two changes of
// threads for each, a tenth of the time of a short run.
func Leave() { self.leave() }

func (p *process) leave() {
	p.mu.Lock()
	deadly, flush := p.deadly, p.flush
	p.mu.Unlock()
	if flush != nil {
		// It returns when all signals that have come are delivered, and is cheap as another channel
		// has the same signal.
		signal.Stop(flush)
	}
	if len(deadly) > 0 {
		select {}
	}
	p.mu.Lock()
	p.left = !p.dying
	p.mu.Unlock()
	p.waitIfEnding()
}

// AtExit has hook run if a signal ends the process, such as one that turns the terminal's echo on
// again. The returned function forgets the hook; it does not run it.
func AtExit(hook func()) (forget func()) { return remember(&self.hooks, &hook) }

// Track has work discarded if the process is ended. The returned function forgets it.
func Track(work Unfinished) (forget func()) { return remember(&self.works, work) }

// remember puts entry into a list of self, and forget takes it out again.
func remember[T comparable](list *[]T, entry T) (forget func()) {
	self.mu.Lock()
	defer self.mu.Unlock()
	*list = append(*list, entry)
	return func() {
		self.mu.Lock()
		defer self.mu.Unlock()
		*list = slices.DeleteFunc(*list, func(other T) bool { return other == entry })
	}
}

// UnlessEnding calls do, which gives something a name or takes it away. A signal waits for it. If
// the process is ending already it does not return.
func UnlessEnding(do func() error) error {
	self.ending.RLock()
	defer self.ending.RUnlock()
	return do()
}

// Serving says that a signal is the usual end of the process from now on until done.
func Serving() (done func()) {
	self.serving.Store(true)
	return func() { self.serving.Store(false) }
}

// WaitIfEnding does not return if a signal is ending the process.
func WaitIfEnding() { self.waitIfEnding() }

func (p *process) waitIfEnding() {
	if p.isDying() {
		select {}
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

// endBy ends the process with exit code 128+sig as a shell sees it. After SIGINT it is the signal
// itself that does so, as a shell goes on with its loop or script otherwise: it takes Ctrl-C for
// the program's own affair. The others are exit codes, since systemd takes a backup that SIGTERM
// has killed for one that is done.
func endBy(sig syscall.Signal) {
	if sig == syscall.SIGINT && os.Getpid() != 1 { // the first process of a container survives it
		signal.Reset(sig)
		if unix.Kill(os.Getpid(), sig) == nil {
			time.Sleep(time.Second)
		}
	}
	os.Exit(128 + int(sig))
}

// StartGroup calls start, which starts a command in a process group of its own and gives the
// group's number: it is started with GroupAttributes. The group does not outlive this process,
// unless GroupEnded is called for it.
func StartGroup(start func() (group int, err error)) error {
	self.starting.RLock()
	defer self.starting.RUnlock()
	adoptOrphans()
	group, err := start()
	if err != nil {
		return err
	}
	self.mu.Lock()
	defer self.mu.Unlock()
	if self.groups == nil {
		self.groups = map[int]bool{}
	}
	self.groups[group] = true
	return nil
}

// GroupEnded forgets a group. Its number may soon be another's.
func GroupEnded(group int) {
	self.mu.Lock()
	defer self.mu.Unlock()
	delete(self.groups, group)
}

// IsGroupGone tells whether no process is left in the group of a command that has been waited for.
// Such a group is forgotten.
func IsGroupGone(group int) bool {
	gone := isGroupGone(group)
	if gone {
		GroupEnded(group)
	}
	return gone
}

// SignalGroup sends a signal to all processes of a group.
func SignalGroup(group int, sig syscall.Signal) { _ = unix.Kill(-group, sig) }

// killGroups is for the commands that there was no time to end in good order: the machine is slow,
// or the user in a hurry.
func (p *process) killGroups() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.groups {
		SignalGroup(id, syscall.SIGKILL)
	}
}

// cleanUp runs the hooks, discards what is unfinished and tells what was lost. The caller ends the
// process: after this no output can be made, published or given up any more.
func (p *process) cleanUp() string {
	p.starting.Lock() // for good
	p.mu.Lock()
	hooks, hide := slices.Clone(p.hooks), p.hide
	p.mu.Unlock()
	for _, hook := range slices.Backward(hooks) {
		(*hook)()
	}
	p.ending.Lock() // for good
	message := p.discardAll()
	if hide != nil {
		hide() // last, as a terminal may be stuck
	}
	return message
}

// discardAll discards what is unfinished and says what is not whole. The caller holds ending.
func (p *process) discardAll() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.works {
		w.Discard()
	}
	switch n := len(p.works); n {
	case 0:
		return "interrupted"
	case 1:
		return "interrupted, " + p.works[0].Lost()
	default:
		return fmt.Sprintf("interrupted, %s, nor were %d more", p.works[0].Lost(), n-1)
	}
}

// EndByPipe ends the process the way the shell expects of a filter whose reader has gone: killed
// by SIGPIPE (141), with no message. It does not return. broken is the pipe.
func EndByPipe(broken *os.File) {
	self.cleanUp()
	signal.Reset(syscall.SIGPIPE)
	if broken == os.Stdout {
		// Nobody is notified any more, so the runtime answers a broken standard output by dying of the
		// signal.
		_, _ = broken.Write([]byte{0})
	}
	os.Exit(128 + int(syscall.SIGPIPE))
}
