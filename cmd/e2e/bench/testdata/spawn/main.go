// Command spawn runs one program, or several joined by pipes, and measures them. It reads a job as
// JSON from stdin and writes what it measured as JSON to stdout.
//
// It is a process of its own, and a small one, because Linux hands the peak memory of the process
// that forks on to what is executed: programs started from a large process would all seem to be
// large. It is pinned, if the job says so, before it starts the programs, which inherit that.
//
// spawn touch BYTES does something else: it uses so much memory for a moment, and ends.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

type job struct {
	Stages []stage
	Stdin  string // file for the first stage; empty: /dev/null
	Stdout string // file that the last stage creates; empty: /dev/null
	Stderr string // file for the messages of all stages
	Pinned bool   // to the first core that this process may use
}

type stage struct {
	Args []string // Args[0] is an absolute path
	Env  []string
}

type measured struct {
	Wall   time.Duration
	Stages []used
}

type used struct {
	User, Sys time.Duration // rusage of wait4: the program and the children that it waited for
	MaxRSS    int64         // bytes
	Exit      int           // 128 and the number of the signal for a program that was ended by one
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "touch" {
		if err := touch(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "spawn: touch:", err)
			os.Exit(1)
		}
		return
	}
	var j job
	err := json.NewDecoder(os.Stdin).Decode(&j)
	if err == nil && j.Pinned {
		err = pin()
	}
	var m measured
	if err == nil {
		m, err = run(j)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "spawn:", err)
		os.Exit(1)
	}
}

// run does the job. It forks by package syscall: package os tries out pidfds at its first fork,
// which would be in the time measured.
func run(j job) (m measured, err error) {
	ends, err := open(j)
	if err != nil {
		return m, err
	}
	pids := make([]int, len(j.Stages))
	start := time.Now()
	for i, s := range j.Stages {
		pids[i], err = syscall.ForkExec(s.Args[0], s.Args,
			&syscall.ProcAttr{Env: s.Env, Files: []uintptr{ends[2*i], ends[2*i+1], ends[len(ends)-1]}})
		if err != nil {
			return m, fmt.Errorf("%s: %w", s.Args[0], err)
		}
	}
	for _, fd := range ends {
		syscall.Close(int(fd))
	}
	m.Stages = make([]used, len(pids))
	for i, pid := range pids {
		if m.Stages[i], err = wait(pid); err != nil {
			return m, err
		}
	}
	m.Wall = time.Since(start)
	return m, nil
}

// open gives stdin and stdout of every stage, and last the file for messages. All are closed on
// exec.
func open(j job) ([]uintptr, error) {
	var ends []uintptr
	file := func(name string, flags int) error {
		if name == "" {
			name = os.DevNull
		}
		fd, err := syscall.Open(name, flags|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		ends = append(ends, uintptr(fd))
		return nil
	}
	if err := file(j.Stdin, syscall.O_RDONLY); err != nil {
		return nil, err
	}
	for range len(j.Stages) - 1 {
		var p [2]int
		if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
			return nil, fmt.Errorf("pipe: %w", err)
		}
		ends = append(ends, uintptr(p[1]), uintptr(p[0]))
	}
	if err := file(j.Stdout, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC); err != nil {
		return nil, err
	}
	return ends, file(j.Stderr, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC)
}

func wait(pid int) (used, error) {
	var status syscall.WaitStatus
	var ru syscall.Rusage
	for {
		_, err := syscall.Wait4(pid, &status, 0, &ru)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return used{}, fmt.Errorf("wait4: %w", err)
		}
	}
	u := used{User: time.Duration(ru.Utime.Nano()), Sys: time.Duration(ru.Stime.Nano()),
		MaxRSS: ru.Maxrss << 10, Exit: status.ExitStatus()}
	if status.Signaled() {
		u.Exit = 128 + int(status.Signal())
	}
	return u, nil
}

// pin lets this thread, and so what it starts, run on the first core alone that it may use.
func pin() error {
	runtime.LockOSThread() // the thread that is pinned is the one that forks
	var mask [128]byte
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, uintptr(len(mask)),
		uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return fmt.Errorf("sched_getaffinity: %w", errno)
	}
	found := false
	for i := range mask {
		for bit := byte(1); bit != 0; bit <<= 1 {
			if mask[i]&bit != 0 && found {
				mask[i] &^= bit
			}
			found = found || mask[i]&bit != 0
		}
	}
	_, _, errno = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)),
		uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return fmt.Errorf("sched_setaffinity: %w", errno)
	}
	return nil
}

const madvHugepage = 14 // of Linux's madvise

func touch(size string) error {
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	memory, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	// EINVAL: a kernel without huge pages
	if err := syscall.Madvise(memory, madvHugepage); err != nil && err != syscall.EINVAL {
		return err
	}
	for i := 0; i < n; i += os.Getpagesize() {
		memory[i] = 1
	}
	return nil
}
