//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
)

// program is one of those that the same faults are tried on: something that seals a file into
// another one, and opens it again. Where there is an old output, it is replaced.
type program struct {
	name       string
	seal, open func(in, out string) []string // "-" for out is standard output
	env        []string                      // beside that of all
}

const ageVersion = "v1.3.2"

// programs are envseal and the peers. A missing one fails the test.
var programs = sync.OnceValues(func() ([]*program, error) {
	all := []*program{{
		name: ours,
		seal: func(in, out string) []string {
			return []string{binary, "encrypt", "-q", "-f", "-k", "local:a", "-o", out, in}
		},
		open: func(in, out string) []string {
			return []string{binary, "decrypt", "-q", "-f", "-o", out, in}
		},
	}}
	for _, peer := range []func() (*program, error){ageProgram, gpgProgram, opensslProgram} {
		p, err := peer()
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
})

func allPrograms(t *testing.T) []*program {
	t.Helper()
	all, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// findAge is age 1.3 from the path, or made here: distributions have older ones.
func findAge() (string, error) {
	out, err := exec.Command("age", "--version").Output()
	if err == nil && strings.HasPrefix(string(out), "v1.3.") {
		return exec.LookPath("age")
	}
	install := exec.Command("go", "install", "filippo.io/age/cmd/age@"+ageVersion)
	install.Env = append(os.Environ(), "GOBIN="+homeDir)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("age 1.3 is not installed, and could not be: %w\n%s", err, out)
	}
	return filepath.Join(homeDir, "age"), nil
}

func ageProgram() (*program, error) {
	bin, err := findAge()
	if err != nil {
		return nil, err
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	keys := filepath.Join(homeDir, "age.key")
	if err := os.WriteFile(keys, []byte(id.String()+"\n"), 0o600); err != nil {
		return nil, err
	}
	return &program{
		name: "age 1.3",
		seal: func(in, out string) []string {
			return []string{bin, "-r", id.Recipient().String(), "-o", out, in}
		},
		open: func(in, out string) []string { return []string{bin, "-d", "-i", keys, "-o", out, in} },
	}, nil
}

func passwordFile() (string, error) {
	name := filepath.Join(homeDir, "password")
	return name, os.WriteFile(name, []byte("correct horse battery staple\n"), 0o600)
}

// gpgProgram has its agent started here: a program that is traced would wait for it.
func gpgProgram() (*program, error) {
	bin, err := exec.LookPath("gpg")
	if err != nil {
		return nil, err
	}
	password, err := passwordFile()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(homeDir, "gnupg")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	p := &program{name: "gpg", env: []string{"GNUPGHOME=" + home}}
	base := []string{bin, "--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback",
		"--passphrase-file", password, "--s2k-count", "65536"}
	p.seal = func(in, out string) []string { return with(base, "-o", out, "--symmetric", in) }
	p.open = func(in, out string) []string { return with(base, "-o", out, "--decrypt", in) }
	for _, args := range [][]string{{"gpg", "--batch", "--list-keys"}, {"gpg-connect-agent", "/bye"}} {
		c := exec.Command(args[0], args[1:]...)
		c.Env = append(baseEnv, p.env...)
		if out, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	atEnd = append(atEnd, func() {
		c := exec.Command("gpgconf", "--kill", "gpg-agent")
		c.Env = append(baseEnv, p.env...)
		_ = c.Run()
	})
	return p, nil
}

func opensslProgram() (*program, error) {
	bin, err := exec.LookPath("openssl")
	if err != nil {
		return nil, err
	}
	password, err := passwordFile()
	if err != nil {
		return nil, err
	}
	base := []string{bin, "enc", "-aes-256-ctr", "-pbkdf2", "-iter", "1000",
		"-pass", "file:" + password}
	line := func(in, out string, more ...string) []string {
		args := with(base, more...)
		if out != "-" {
			args = append(args, "-out", out)
		}
		return append(args, "-in", in)
	}
	return &program{
		name: "openssl",
		seal: func(in, out string) []string { return line(in, out) },
		open: func(in, out string) []string { return line(in, out, "-d") },
	}, nil
}

// command prepares a run in dir.
func (p *program) command(dir string, args []string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Env = dir, append(append([]string(nil), baseEnv...), p.env...)
	return c
}

// sealed is what the program makes of plain.
func (p *program) sealed(plain []byte) ([]byte, error) { return p.through(plain, p.seal) }

// opensTo is a test for a sealed file of plain.
func (p *program) opensTo(plain []byte) whole {
	return func(b []byte) string {
		got, err := p.through(b, p.open)
		if err != nil {
			return err.Error()
		}
		if !bytes.Equal(got, plain) {
			return "opens to something else"
		}
		return ""
	}
}

// through gives the output of the program for an input.
func (p *program) through(b []byte, way func(in, out string) []string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "envseal-through-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "in"), b, 0o600); err != nil {
		return nil, err
	}
	if r := run(p.command(dir, way("in", "out"))); r.code != 0 {
		return nil, fmt.Errorf("%s: exit code %d: %s", p.name, r.code, r.stderr)
	}
	return os.ReadFile(filepath.Join(dir, "out"))
}
