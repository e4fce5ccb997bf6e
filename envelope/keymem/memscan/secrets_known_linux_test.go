//go:build secrets

package memscan_test

import (
	"bufio"
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// What is counted here is not promised: secrets other than data keys, which lie in buffers of
// libraries. The lines say how much of them there is.

const privateKeys = "private key of the pair"

func count(what, when string, hits int) { fmt.Printf("not promised: %s|%s|%d\n", what, when, hits) }

// countIn runs one victim through its stages and counts other patterns than those of its data key.
func (r *rig) countIn(t *testing.T, what string, p plan,
	patterns func(v *victim) []memscan.Pattern) *findings {
	t.Helper()
	found := newFindings()
	found.expected = true
	v := r.start(t, p, found)
	v.patterns = patterns(v)
	v.hold()
	if found.open[stageWaiting] == 0 && what != privateKeys {
		t.Errorf("%s: nothing is found any more: more could be promised, or the count is wrong", what)
	}
	for _, stage := range []string{stageAnswered, stageWaiting, stageExit} {
		count(what, p.way.name+", "+p.direction()+", "+stage, found.open[stage])
	}
	return found
}

// numberPatterns are a secret number in both byte orders.
func numberPatterns(name string, numbers ...[]byte) (ps []memscan.Pattern) {
	for _, n := range numbers {
		reversed := slices.Clone(n)
		slices.Reverse(reversed)
		for form, b := range map[string][]byte{"": n, " reversed": reversed} {
			half := len(b) / 2
			ps = append(ps, memscan.Pattern{Name: name + form, Bytes: b},
				memscan.Pattern{Name: name + form, Bytes: b[:half]},
				memscan.Pattern{Name: name + form, Bytes: b[half:]})
		}
	}
	return ps
}

// TestSecretsOfPairs counts private keys and shared secrets. ECC and ML-KEM private keys are
// promised to leave no copy.
func TestSecretsOfPairs(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	for _, spec := range []string{"ECC_NIST_P256", "ML_KEM_768", "RSA_2048"} {
		w := r.pairWay(t, spec)
		found := r.countIn(t, privateKeys, plan{way: w, decrypt: true},
			func(v *victim) []memscan.Pattern {
				numbers, _ := r.privateKey(t, v.header)
				return numberPatterns("private number", numbers...)
			})
		if n := found.copies(); n > 0 && spec != "RSA_2048" {
			t.Errorf("%s: %d copies of the private key", spec, n)
		}
		for _, decrypt := range []bool{false, true} {
			if spec != "RSA_2048" {
				r.countIn(t, "shared secret of HPKE", plan{way: w, decrypt: decrypt},
					func(v *victim) []memscan.Pattern {
						return numberPatterns("shared secret", r.sharedSecret(t, v.header))
					})
			}
		}
	}
}

// privateKey asks for the private numbers of the pair that a file was sealed to.
func (r *rig) privateKey(t *testing.T, h *format.Header) ([][]byte, *format.PairSlot) {
	t.Helper()
	slot, err := h.Slots[0].Pair()
	must(t, err)
	key, err := r.store.Decrypt(t.Context(), kmsclient.DecryptInput{
		CiphertextBlob: slot.PrivateKeyCiphertextBlob, EncryptionContext: slot.PairContext})
	must(t, err)
	defer key.Plaintext.Destroy()
	numbers, _ := privateNumbers(slices.Clone(key.Plaintext.Bytes()))
	return numbers, &slot
}

// sharedSecret is what the KEM gives, from which HPKE makes the key of the sealed data key.
func (r *rig) sharedSecret(t *testing.T, h *format.Header) []byte {
	t.Helper()
	numbers, slot := r.privateKey(t, h)
	if slot.Scheme == format.PairHPKEMLKEM768 {
		key, err := mlkem.NewDecapsulationKey768(slices.Concat(numbers...))
		must(t, err)
		shared, err := key.Decapsulate(slot.SealedDataKey[:mlkem.CiphertextSize768])
		must(t, err)
		return shared
	}
	key, err := ecdh.P256().NewPrivateKey(numbers[0])
	must(t, err)
	public, err := ecdh.P256().NewPublicKey(slot.SealedDataKey[:65])
	must(t, err)
	shared, err := key.ECDH(public)
	must(t, err)
	return shared
}

// traces is how many pieces of 32 bytes the registers of a few signal frames hold, where a thread
// was interrupted while it moved data. Buffers hold thousands.
const traces = 128

// TestSecretsOfLibraries counts the secrets of TLS and of the SDK, the identity of the keystore,
// and the plaintext.
func TestSecretsOfLibraries(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	for _, decrypt := range []bool{false, true} {
		p := plan{way: r.byKMS(), decrypt: decrypt}
		r.countIn(t, "secrets of the TLS connection", p,
			func(*victim) []memscan.Pattern { return r.tls.patterns() })
		r.countIn(t, "AWS secret access key", p, func(*victim) []memscan.Pattern {
			return []memscan.Pattern{{Name: "secret access key", Bytes: []byte(secretAccessKey)}}
		})
		marker := func(v *victim) []memscan.Pattern {
			return []memscan.Pattern{{Name: "plaintext", Bytes: v.marker}}
		}
		if n := r.countIn(t, "plaintext, 32 bytes each", p, marker).open[stageExit]; n > traces {
			t.Errorf("%s: %d pieces of plaintext are left at exit: a buffer was not wiped", p.direction(), n)
		}
		if !decrypt {
			p.compress, p.toFile = true, true
			r.countIn(t, "plaintext with -z, 32 bytes each", p, marker)
		}
		identity, err := os.ReadFile(r.path + ".identity")
		must(t, err)
		at := bytes.Index(identity, []byte("AGE-SECRET-KEY-1"))
		r.countIn(t, "age identity of the keystore, as text", plan{way: r.byKeystore(), decrypt: decrypt},
			func(*victim) []memscan.Pattern {
				return []memscan.Pattern{{Name: "identity", Bytes: identity[at : at+40]}}
			})
	}
}

func (l *secretLog) patterns() (ps []memscan.Pattern) {
	for line := range strings.Lines(l.String()) {
		fields := strings.Fields(line)
		if secret, err := hex.DecodeString(fields[len(fields)-1]); err == nil {
			ps = append(ps, memscan.Pattern{Name: fields[0], Bytes: secret})
		}
	}
	return ps
}

// TestSecretsOfCommands counts what is left by the outputs of `envseal kms` that go through other
// libraries, by a passphrase, and in the memory of the development server.
func TestSecretsOfCommands(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	for _, output := range []string{"--output yaml", "--query '{Plaintext:Plaintext}'"} {
		line := "kms generate-data-key --key-id local:app --key-spec AES_256 " + output
		heldAtExit(t, r.dir, r.local, line, func(pid int, stdout, stderr []byte) {
			keys := keysIn(stdout)
			if len(keys) != 1 {
				t.Fatalf("%s: %s%s", line, stdout, stderr)
			}
			hits, err := memscan.Scan(pid, memscan.KeyPatterns("key", keys[0]))
			must(t, err)
			count("key that is printed", "kms generate-data-key "+output+", at exit",
				len(memscan.Unprotected(hits)))
		})
	}
	r.passphrase(t)
	r.server(t)
}

func (r *rig) passphrase(t *testing.T) {
	t.Helper()
	phrase := []byte("correct horse battery staple")
	path, file := filepath.Join(r.dir, "by-phrase"), filepath.Join(r.dir, "phrase")
	must(t, os.WriteFile(file, phrase, 0o600))
	must(t, keystore.Create(path, keystore.CreateOptions{Passphrase: phrase, WorkFactor: 16}))
	env := append(slices.Clone(r.local), "ENVSEAL_KEYSTORE="+path, "ENVSEAL_PASSPHRASE_FILE="+file)
	if code := heldAtExit(t, r.dir, env, "keystore create-key app", func(pid int, _, _ []byte) {
		hits, err := memscan.Scan(pid, []memscan.Pattern{{Name: "passphrase", Bytes: phrase}})
		must(t, err)
		count("passphrase of the keystore", "keystore create-key, at exit",
			len(memscan.Unprotected(hits)))
	}); code != 0 {
		t.Errorf("keystore create-key: exit code %d", code)
	}
}

// server counts what `envseal keystore serve` has left of keys that it has sent.
func (r *rig) server(t *testing.T) {
	t.Helper()
	cmd := exec.Command(program, "keystore", "serve")
	cmd.Env, cmd.Dir = r.local, r.dir
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	env := append(slices.Clone(r.aws), strings.Fields(strings.TrimPrefix(line, "export "))...)
	var patterns []memscan.Pattern
	for range 20 {
		client := exec.Command(program, "kms", "generate-data-key", "--key-id",
			"alias/app", "--key-spec", "AES_256")
		client.Env = env
		text, err := client.Output()
		must(t, err)
		for _, key := range keysIn(text) {
			patterns = append(patterns, memscan.KeyPatterns("key", key)...)
		}
	}
	p, err := freeze(cmd.Process.Pid)
	must(t, err)
	defer p.thaw()
	hits, err := memscan.Scan(cmd.Process.Pid, patterns)
	must(t, err)
	count("data keys in `keystore serve`", "after 20 keys were sent", len(memscan.Unprotected(hits)))
}
