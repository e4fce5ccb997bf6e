package testhome

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var realHome = os.Getenv("HOME")

func TestMain(m *testing.M) { os.Exit(Run(m.Run)) }

// A shell, whose history is cut as it ends, has another home than this process had.
func TestHomeOfChildren(t *testing.T) {
	Need(t)
	out, err := exec.Command("sh", "-c", "cd && pwd -P && env").Output()
	if err != nil {
		t.Fatal(err)
	}
	home, env, _ := strings.Cut(string(out), "\n")
	if home == realHome || !strings.HasPrefix(filepath.Base(home), "envseal-home-") {
		t.Errorf("a child has the home %s", home)
	}
	for line := range strings.Lines(env) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		ours := strings.HasPrefix(name, "XDG_") || name == "HISTFILE"
		if ours && !strings.HasPrefix(value, os.Getenv("HOME")) {
			t.Errorf("%s=%s is not below it", name, value)
		}
	}
	// Without Go's own directories, go would fetch all modules again.
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil || strings.HasPrefix(string(cache), os.Getenv("HOME")) {
		t.Errorf("go has its modules in %s, %v", cache, err)
	}
}

// A test program that a test starts keeps the home, which is there when it has ended.
func TestHomeIsInherited(t *testing.T) {
	before := os.Getenv("HOME")
	inside := ""
	Run(func() int { inside = os.Getenv("HOME"); return 0 })
	if inside != before || os.Getenv("HOME") != before {
		t.Errorf("another home: %s, then %s", inside, os.Getenv("HOME"))
	}
	if _, err := os.Stat(before); err != nil {
		t.Error(err)
	}
}
