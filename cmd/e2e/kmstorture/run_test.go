//go:build torture

package kmstorture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	mostMemory = 64 << 20
	callLimit  = 60 * time.Second // of one KMS call, with all its attempts
	slack      = 8 * time.Second  // for starting up on a busy machine
)

// outcome is what a run of a program has shown.
type outcome struct {
	code           int // -1 where it had to be killed
	stdout, stderr []byte
	took           time.Duration
	rss            int64 // most resident bytes
}

// environment is that of all programs: nothing of the machine's owner, and no way to AWS.
func environment(more ...string) []string {
	none := filepath.Join(scratch, "none")
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + scratch, "TMPDIR=" + scratch,
		"ENVSEAL_KEYSTORE=" + none, "AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none,
		"AWS_EC2_METADATA_DISABLED=true"}, more...)
}

// run has a program work in dir, for no longer than limit.
func run(dir string, env []string, limit time.Duration, args ...string) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Dir, c.Env = dir, append(env, launched+"=1")
	c.Stdout, c.Stderr, c.WaitDelay = &stdout, &stderr, time.Second
	read, write, err := os.Pipe()
	if err != nil {
		return outcome{code: -1, stderr: []byte(err.Error())}
	}
	defer read.Close()
	c.ExtraFiles = []*os.File{write}
	start := time.Now()
	err = c.Run()
	took := time.Since(start)
	write.Close()
	o := outcome{code: -1, stdout: stdout.Bytes(), stderr: stderr.Bytes(), took: took}
	if c.ProcessState == nil {
		o.stderr = fmt.Appendf(o.stderr, "cannot start: %v", err)
		return o
	}
	o.code = c.ProcessState.ExitCode()
	if _, err := fmt.Fscan(read, &o.rss); err != nil {
		o.code = -1
	}
	return o
}

// launched is in the environment of this test program where it is to launch another one.
const launched = "KMSTORTURE_LAUNCH"

// launch runs a program for run and writes to descriptor 3 how many bytes it had in memory at most.
// The kernel counts into that what the parent had when it forked, so that the parent must be small:
// not the tests themselves.
func launch(args []string) int {
	runtime.LockOSThread() // which Pdeathsig hangs on
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, launched+"=")
	})
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Run(); c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	fmt.Fprintln(os.NewFile(3, "result"), c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
	return c.ProcessState.ExitCode()
}

// envseal runs the program under test.
func envseal(dir string, env []string, args ...string) outcome {
	return run(dir, environment(env...), 3*time.Minute, slices.Concat([]string{program}, args)...)
}

var attemptLine = regexp.MustCompile(`(?m)^kms \w+ attempt (\d+): `)

// attempts is the highest number of an attempt that --debug told.
func (o outcome) attempts() int {
	most := 0
	for _, m := range attemptLine.FindAllSubmatch(o.stderr, -1) {
		n, err := strconv.Atoi(string(m[1]))
		if err == nil {
			most = max(most, n)
		}
	}
	return most
}

// lacks lists the words that stderr does not have.
func (o outcome) lacks(words ...string) error {
	var missing []string
	for _, w := range words {
		if !strings.Contains(string(o.stderr), w) {
			missing = append(missing, strconv.Quote(w))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("stderr lacks %s", strings.Join(missing, ", "))
	}
	return nil
}

// within tells whether the run kept to the time and to the memory.
func (o outcome) within(most time.Duration) error {
	var errs []error
	if o.took > most {
		errs = append(errs, fmt.Errorf("took %v, at most %v are allowed",
			o.took.Round(time.Millisecond), most))
	}
	if o.rss > mostMemory {
		errs = append(errs, fmt.Errorf("%d MiB of memory", o.rss>>20))
	}
	return errors.Join(errs...)
}

// listing is what is in a folder: name, mode and hash of each file.
func listing(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(b))
		return err
	})
	return all, err
}

// unchanged compares a folder with what was in it.
func unchanged(dir string, before map[string]string) error {
	after, err := listing(dir)
	if err == nil && !maps.Equal(before, after) {
		err = fmt.Errorf("the files changed: before %v, after %v", before, after)
	}
	return err
}

// atOnce bounds how many trials run side by side: most of their programs wait, and none must be
// slow for want of a core.
var atOnce = make(chan struct{}, 80)

// inParallel runs do for each of all, in their order as far as they find room, and waits for them.
func inParallel[T any](all []T, do func(T)) {
	var wg sync.WaitGroup
	for _, one := range all {
		atOnce <- struct{}{}
		wg.Go(func() {
			defer func() { <-atOnce }()
			do(one)
		})
	}
	wg.Wait()
}

// await polls until done, for some seconds.
func await(what string, done func() bool) error {
	for range 1000 {
		if done() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("waited in vain for " + what)
}
