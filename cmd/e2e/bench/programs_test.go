//go:build bench

package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// What comes from the Go module proxy, so that `make bench` finds the same programs everywhere.
const (
	ageVersion = "v1.3.2"
	sioVersion = "v0.4.1"
	newAge     = "age 1.3"
)

// program seals and opens. Its commands take files, or for empty names stdin and stdout.
type program struct {
	name  string
	what  string // it is and does, for the reader of the document
	seal  func(in, out string) []string
	open  func(in, out string) []string
	pipes bool // it can be a filter
	slow  bool // runs less often with large files
	main  bool // runs with the largest files too
}

// findPrograms looks everything up, or builds it. What cannot be had is a remark, but for cp and
// its like.
func (b *bench) findPrograms() {
	for _, name := range []string{"go", "cp", "cat", "dd", "sh", "sync"} {
		path, err := exec.LookPath(name)
		if err != nil {
			b.t.Fatalf("%v", err)
		}
		b.tools[name] = path
	}
	if path, err := exec.LookPath("zstd"); err == nil {
		b.tools["zstd"] = path
	} else {
		b.remark("zstd is not installed: nothing to compare compression with")
	}
	for _, own := range []string{"spawn", "gcm", "hello"} {
		b.goTool("build", "-o", filepath.Join(b.dir, own), "./testdata/"+own)
		b.tools[own] = filepath.Join(b.dir, own)
	}
	b.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LC_ALL=C",
		"AWS_EC2_METADATA_DISABLED=true", "GNUPGHOME=" + b.dir,
		"ENVSEAL_KEYSTORE=" + filepath.Join(b.dir, "keystore")}
	b.addEnvseal()
	b.addNewAge()
	b.addInstalledAge()
	b.addOpenssl()
	b.addNcrypt()
	b.addGpg()
	b.addESDK()
}

// goTool runs the go command in the folder of this package. It fails the test, as what it builds is
// our own.
func (b *bench) goTool(args ...string) {
	b.t.Helper()
	if err := b.tryGo(args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) tryGo(args ...string) error {
	cmd := exec.Command(b.tools["go"], args...)
	cmd.Env = append(os.Environ(), "GOBIN="+b.dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Printf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		return fmt.Errorf("it cannot be built here")
	}
	return nil
}

// addEnvseal takes a copy of bin/envseal, so that a build during the run changes nothing, and makes
// a keystore with an identity file.
func (b *bench) addEnvseal() {
	binary, err := os.ReadFile(filepath.Join(testhome.Module(), "bin", "envseal"))
	if err != nil {
		b.t.Fatalf("%v: run `make build` first", err)
	}
	path := filepath.Join(b.dir, "envseal")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.tools["envseal"] = path
	b.must(path, "keystore", "init", "--no-passphrase")
	b.must(path, "keystore", "create-key", "bench")
	b.programs = append(b.programs, program{name: "envseal", what: b.version(path, "version") +
		", a key of the embedded keystore, `--no-sync` unless said otherwise", pipes: true, main: true,
		seal: b.envseal("encrypt", "--no-sync"), open: b.envseal("decrypt", "--no-sync")})
}

// envseal is a command of envseal with flags.
func (b *bench) envseal(command string, flags ...string) func(in, out string) []string {
	return func(in, out string) []string {
		args := []string{b.tools["envseal"], command, "-q"}
		if command == "encrypt" {
			args = append(args, "-k", "local:bench")
		}
		args = append(args, flags...)
		if out == "" {
			return args
		}
		return append(args, "-o", out, in)
	}
}

func (b *bench) addNewAge() {
	for _, tool := range []string{"age", "age-keygen"} {
		if err := b.tryGo("install", "filippo.io/age/cmd/"+tool+"@"+ageVersion); err != nil {
			b.remark("%s is not measured: %v", newAge, err)
			return
		}
	}
	b.tools["age"] = filepath.Join(b.dir, "age")
	b.addAge(program{name: newAge,
		what: "filippo.io/age " + ageVersion + ", built with this Go, X25519 recipient", main: true},
		b.tools["age"], filepath.Join(b.dir, "age-keygen"))
}

// addInstalledAge takes the first age in PATH that is not the one built here.
func (b *bench) addInstalledAge() {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, "age"))
		if err != nil {
			continue
		}
		version := strings.TrimPrefix(b.version(path, "--version"), "v")
		if b.tools["age"] != "" && version == strings.TrimPrefix(ageVersion, "v") {
			continue
		}
		b.tools["installed age"] = path
		b.addAge(program{name: "age " + version,
			what: "age " + version + " as it is installed, X25519 recipient", slow: true}, path,
			filepath.Join(dir, "age-keygen"))
		return
	}
	b.remark("no age of the distribution is measured: none is installed but %s", ageVersion)
}

func (b *bench) addAge(p program, age, keygen string) {
	key := b.fresh("age-key")
	if err := b.do(keygen, "-o", key); err != nil {
		b.remark("%s is not measured: %v", p.name, err)
		return
	}
	recipient := b.version(keygen, "-y", key)
	p.pipes = true
	p.seal = func(in, out string) []string {
		return withFiles([]string{age, "-r", recipient}, "-o", in, out)
	}
	p.open = func(in, out string) []string {
		return withFiles([]string{age, "-d", "-i", key}, "-o", in, out)
	}
	b.programs = append(b.programs, p)
}

// withFiles appends -o OUT IN, unless the program is a filter.
func withFiles(args []string, flag, in, out string) []string {
	if out == "" {
		return args
	}
	if flag != "" {
		args = append(args, flag)
		return append(args, out, in)
	}
	return append(args, in, out)
}

func (b *bench) addOpenssl() {
	path, err := exec.LookPath("openssl")
	if err != nil {
		b.remark("openssl is not measured: it is not installed")
		return
	}
	base := []string{path, "enc", "-aes-256-ctr", "-K", hex.EncodeToString(random(32)), "-iv",
		hex.EncodeToString(random(16))}
	filter := func(flags ...string) func(in, out string) []string {
		return func(in, out string) []string {
			args := append(append([]string{}, base...), flags...)
			if out == "" {
				return args
			}
			return append(args, "-in", in, "-out", out)
		}
	}
	b.programs = append(b.programs, program{name: "openssl ctr", what: b.version(path, "version") +
		", `enc -aes-256-ctr` with a raw key: **not authenticated**, so tampering goes unnoticed",
		pipes: true, seal: filter(), open: filter("-d")})
}

func (b *bench) addNcrypt() {
	if err := b.tryGo("install", "github.com/minio/sio/cmd/ncrypt@"+sioVersion); err != nil {
		b.remark("ncrypt is not measured: %v", err)
		return
	}
	path := filepath.Join(b.dir, "ncrypt")
	filter := func(flags ...string) func(in, out string) []string {
		return func(in, out string) []string {
			return withFiles(append([]string{path, "-p", "bench", "-cipher", "AES256"}, flags...),
				"", in, out)
		}
	}
	b.programs = append(b.programs,
		program{name: "ncrypt", what: "of github.com/minio/sio " + sioVersion +
			", AES-256-GCM; its key comes from a password, which is most of its time with small files",
			pipes: true, slow: true, seal: filter(), open: filter("-d")})
}

func (b *bench) addGpg() {
	path, err := exec.LookPath("gpg")
	if err != nil {
		b.remark("gpg is not measured: it is not installed")
		return
	}
	passphrase := filepath.Join(b.dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte("bench\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	base := []string{path, "--batch", "--quiet", "--no-permission-warning", "--pinentry-mode",
		"loopback", "--passphrase-file", passphrase}
	filter := func(flags ...string) func(in, out string) []string {
		return func(in, out string) []string {
			return withFiles(append(append([]string{}, base...), flags...), "", in, out)
		}
	}
	seal, open := filter("--symmetric", "--cipher-algo", "AES256", "--compress-algo", "none"),
		filter("--decrypt")
	b.tools["gpg"] = path
	b.programs = append(b.programs, program{name: "gpg", what: b.version(path, "--version") +
		", `--symmetric --cipher-algo AES256 --compress-algo none`: its compression, on by default, would make it several times slower",
		slow: true, seal: gpgFiles(seal), open: gpgFiles(open)})
}

// gpgFiles puts gpg's --output OUT before the command, where it must be.
func gpgFiles(command func(in, out string) []string) func(in, out string) []string {
	return func(in, out string) []string {
		args := command("", "")
		return append([]string{args[0], "--output", out}, append(args[1:], in)...)
	}
}

func (b *bench) addESDK() {
	path := filepath.Join(b.dir, "esdk")
	if err := b.tryGo("build", "-C", "testdata/esdk", "-o", path, "."); err != nil {
		b.remark("the AWS Encryption SDK is not measured: %v", err)
		return
	}
	key := b.fresh("esdk-key")
	if err := os.WriteFile(key, random(32), 0o600); err != nil {
		b.t.Fatal(err)
	}
	way := func(way string) func(in, out string) []string {
		return func(in, out string) []string { return []string{path, way, key, in, out} }
	}
	b.programs = append(b.programs,
		program{name: "AWS Encryption SDK", what: "for Go, v0.4.0, in a small program with a raw AES keyring in the place of KMS; frames of 1 MiB, no signature; it holds the whole file in memory",
			slow: true, seal: way("encrypt"), open: way("decrypt")})
}

// version is the first line that a command prints.
func (b *bench) version(args ...string) string {
	b.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = b.env
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(line)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// close ends what gpg left running.
func (b *bench) close() {
	if conf, err := exec.LookPath("gpgconf"); err == nil && b.tools["gpg"] != "" {
		cmd := exec.Command(conf, "--kill", "gpg-agent")
		cmd.Env = b.env
		cmd.Run()
	}
}
