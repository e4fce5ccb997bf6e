// Package testhome keeps the tests away from the home directory of whoever runs them: a shell that
// a test starts writes its history there, a tool its caches and settings. Only tests import it.
// Each package whose tests start processes has
//
//	func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }
package testhome

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// variable names the home that was made, for this process and for those that it starts.
const variable = "ENVSEAL_TEST_HOME"

// Run makes a home, names it in the environment, of which children get theirs, runs the tests and
// removes it. A test program that a test started keeps the home of the one that started it.
//
// Whoever runs the tests may ignore SIGHUP or SIGINT (nohup, a job in the background), which
// children would inherit: Run has them at their default there.
func Run(tests func() int) int {
	if os.Getenv(variable) != "" {
		return tests()
	}
	heedSignals()
	home, err := os.MkdirTemp("", "envseal-home-")
	if err == nil {
		defer os.RemoveAll(home)
		err = enter(home)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testhome: no home for the tests:", err)
		return 1
	}
	return tests()
}

// heedSignals has children not ignore what is notified here.
func heedSignals() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// Need fails a test that is about to start a process in a home that Run did not make.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Fatal(
			"TestMain has not called testhome.Run: this would run in the home of whoever runs the tests")
	}
}

// Module is the top of the module, where testdata and docs are. Tests run in the directory of their
// package, which is below it.
func Module() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	panic("testhome: no go.mod above the directory of the tests")
}

func enter(home string) error {
	tools, err := toolDirs()
	if err != nil {
		return err
	}
	for name, value := range tools {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
	for name, place := range map[string]string{
		variable: ".", "HOME": ".", "HISTFILE": ".history", "XDG_CONFIG_HOME": ".config",
		"XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state", "XDG_CACHE_HOME": ".cache",
		"XDG_RUNTIME_DIR": "run",
	} {
		os.Setenv(name, filepath.Join(home, place))
	}
	if err := os.Mkdir(filepath.Join(home, "run"), 0o700); err != nil {
		return err
	}
	return noTelemetry()
}

// noTelemetry keeps the go command from counting in the home, in a process that outlives it.
func noTelemetry() error {
	config, err := os.UserConfigDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(config, "go", "telemetry")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "mode"), []byte("off"), 0o600)
}

// toolDirs is where Go and Python have what they need, by default below the real home.
func toolDirs() (map[string]string, error) {
	dirs := map[string]string{"PYTHONDONTWRITEBYTECODE": "1"}
	if home, err := os.UserHomeDir(); err == nil {
		dirs["PYENV_ROOT"] = filepath.Join(home, ".pyenv")
		dirs["PYTHONUSERBASE"] = filepath.Join(home, ".local")
	}
	out, err := exec.Command("go", "env", "-json", "GOENV", "GOPATH", "GOMODCACHE", "GOCACHE").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return dirs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return dirs, json.Unmarshal(out, &dirs)
}
