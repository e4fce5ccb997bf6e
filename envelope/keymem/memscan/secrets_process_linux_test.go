//go:build secrets

package memscan_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
)

// TestSecretsProcess checks what the system is told about the process while it holds a key: locked
// memory, nothing in swap, no core dumps, and no look into it for other processes of the same user.
func TestSecretsProcess(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	needTools(t, "sh", "cat")
	r := newRig(t)
	violations, trials := 0, 0
	for _, decrypt := range []bool{false, true} {
		for _, w := range []way{r.byKeystore(), r.byKMS()} {
			p := plan{way: w, decrypt: decrypt}
			v := r.start(t, p, newFindings())
			v.tap.open(true)
			v.tap.open(false)
			v.idle()
			bad := checkStatus(v.cmd.Process.Pid)
			trials++
			if len(bad) > 0 {
				violations++
				t.Errorf("%s, %s: %s", w.name, p.direction(), strings.Join(bad, "; "))
			}
			must(t, v.cmd.Process.Kill())
			<-v.silent
			_ = v.cmd.Wait()
		}
	}
	report("memory for keys: locked, not in swap, no core dumps (/proc/PID/status and limits)",
		"envseal", trials, violations, "")
}

// checkStatus tells what is not as promised.
func checkStatus(pid int) (bad []string) {
	status := fieldsOf(pid, "status")
	if status["VmLck"] == "" || status["VmLck"] == "0 kB" {
		bad = append(bad, "VmLck is "+status["VmLck"])
	}
	if status["VmSwap"] != "0 kB" {
		bad = append(bad, "VmSwap is "+status["VmSwap"])
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return append(bad, err.Error())
	}
	for line := range strings.Lines(string(limits)) {
		rest, ok := strings.CutPrefix(line, "Max core file size")
		if ok && strings.Join(strings.Fields(rest), " ") != "0 0 bytes" {
			bad = append(bad, "core dumps are allowed: "+rest)
		}
	}
	return bad
}

func fieldsOf(pid int, file string) map[string]string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)) // the fields are then missing
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields
}

// nobody is a user without rights.
var nobody = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}

// TestSecretsFromOthers has another process of the same user try to read the memory. A process that
// is told --allow-core-dumps is the proof that it could.
func TestSecretsFromOthers(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	needTools(t, "gdb", "sh", "cat", "grep")
	r := newRig(t)
	for _, dir := range []string{r.dir, filepath.Dir(r.dir)} {
		must(t, os.Chmod(dir, 0o755)) // for the CA bundle
	}
	violations, trials := 0, 0
	for _, decrypt := range []bool{false, true} {
		for _, allow := range []bool{false, true} {
			p := plan{way: r.byKMS(), decrypt: decrypt, as: nobody}
			if allow {
				p.args = []string{"--allow-core-dumps"}
			}
			v := r.start(t, p, newFindings())
			v.idle()
			for _, spy := range spies(v.cmd.Process.Pid) {
				seen := spy.Run() == nil
				if !allow {
					trials++
				}
				if seen != allow {
					violations++
					t.Errorf("%s, --allow-core-dumps %v: %s of the same user succeeds: %v",
						p.direction(), allow, spy, seen)
				}
			}
			must(t, v.cmd.Process.Kill())
			<-v.silent
			_ = v.cmd.Wait()
		}
	}
	report("memory read by another process of the same user", "envseal", trials, violations,
		"/proc/PID/mem, /proc/PID/environ, gdb -p; all succeed with --allow-core-dumps")
}

func spies(pid int) []*exec.Cmd {
	spies := []*exec.Cmd{
		exec.Command("sh", "-c", fmt.Sprintf("exec 3</proc/%d/mem", pid)),
		exec.Command("cat", fmt.Sprintf("/proc/%d/environ", pid)),
		exec.Command("sh", "-c",
			fmt.Sprintf("gdb -nx -batch -p %d -ex 'info proc' 2>&1 | grep -q '^process %d'", pid, pid)),
	}
	for _, s := range spies {
		s.SysProcAttr, s.Dir = nobody, "/"
		s.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	}
	return spies
}

// TestSecretsBetweenCalls searches encrypt while it waits for the answer of a second key, to which
// it has sent the data key.
func TestSecretsBetweenCalls(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	found := newFindings()
	trials := max(1, runs(t)/5)
	for range trials {
		reached, release := r.sent.holdNext("TrentService.Encrypt")
		cmd := exec.Command(program, "encrypt", "-k", "alias/app", "-k", "alias/other", "-o", "-")
		cmd.Env, cmd.Dir, cmd.Stdin = r.aws, r.dir, strings.NewReader("plain text")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		must(t, cmd.Start())
		<-reached
		keys := r.sent.all()
		p, err := freeze(cmd.Process.Pid)
		must(t, err)
		hits, err := memscan.Scan(cmd.Process.Pid, memscan.KeyPatterns("data key", keys[len(keys)-1]))
		must(t, err)
		found.add(t, stageSecond, hits, nil)
		p.thaw()
		close(release)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
	}
	found.check(t)
	report("key bytes in memory, two keys over TLS, "+stageSecond, "envseal", trials,
		found.copies(), found.remark())
}
