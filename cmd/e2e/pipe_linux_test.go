package e2e

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Pipes on standard input and output are made wide.
func TestPipesAreWidened(t *testing.T) {
	r := newPipeRig(t)
	for _, args := range [][]string{{"encrypt", "-"}, {"encrypt", "-z", "-"}, {"decrypt", "-"}} {
		fromUs, toUs := pipe(t), pipe(t)
		c := exec.Command("envseal", args...)
		c.Stdin, c.Stdout, c.Stderr = fromUs.r, toUs.w, os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		toUs.w.Close()
		data := r.read("f")
		if args[0] == "decrypt" {
			data = r.read("f.sealed")
		}
		go func() {
			fromUs.w.Write(data)
			fromUs.w.Close()
		}()
		if _, err := io.Copy(io.Discard, toUs.r); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		for name, f := range map[string]*os.File{"input": fromUs.r, "output": toUs.r} {
			size, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0)
			if err != nil || size != 1<<20 {
				t.Errorf("%v: the pipe of its %s holds %d bytes, %v", args, name, size, err)
			}
		}
	}
}

type pipeEnds struct{ r, w *os.File }

// pipe is closed when the test ends.
func pipe(t *testing.T) pipeEnds {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return pipeEnds{r, w}
}
