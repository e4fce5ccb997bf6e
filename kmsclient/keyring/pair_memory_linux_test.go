package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
)

// childVariable makes this test binary open a slot from standard input, and wait to be looked into.
const childVariable = "ENVSEAL_KEYRING_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(testhome.Run(m.Run))
	}
	if err := holdPair(os.Getenv(childVariable) == "careless"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

// holdPair does what opening a file does, with a private key that goes from standard input straight
// into locked memory. The careless child goes the way of package x509, so that the scan has
// something to find.
func holdPair(careless bool) error {
	var sizes [4]uint16
	if err := binary.Read(os.Stdin, binary.BigEndian, &sizes); err != nil {
		return err
	}
	rest := make([]byte, sizes[1]+sizes[2]+sizes[3])
	private, err := keymem.New(int(sizes[0]))
	if err != nil {
		return err
	}
	for _, b := range [][]byte{private.Bytes(), rest} {
		if _, err := io.ReadFull(os.Stdin, b); err != nil {
			return err
		}
	}
	slot := &format.PairSlot{Scheme: format.PairScheme(rest[0]), SealedDataKey: rest[33 : 33+sizes[2]]}
	copy(slot.PublicKeyID[:], rest[1:33])
	if careless {
		key, err := x509.ParsePKCS8PrivateKey(private.Bytes())
		defer runtime.KeepAlive(key)
		if err != nil {
			return err
		}
	}
	key, err := openPair(private.Bytes(), slot, rest[33+sizes[2]:])
	if err != nil {
		return err
	}
	private.Destroy()
	fmt.Println("opened")
	_, err = os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive(key)
	return err
}

// scanChild gives what the child's memory holds of the private key and of the data key.
func scanChild(t *testing.T, how string, e example,
	info, dataKey []byte) (private, data []memscan.Hit) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	c := exec.CommandContext(t.Context(), exe)
	c.Env = append(os.Environ(), childVariable+"="+how)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	id := (&format.PairFile{PublicKey: e.PublicKey}).PublicKeyID()
	input := slices.Concat([]byte{byte(e.Scheme)}, id[:], e.SealedDataKey, info)
	sizes := [4]uint16{uint16(len(e.PrivateKey)), 33, uint16(len(e.SealedDataKey)), uint16(len(info))}
	must(t, binary.Write(in, binary.BigEndian, sizes))
	_, err = in.Write(slices.Concat(e.PrivateKey, input))
	must(t, err)
	if _, err := io.ReadFull(out, make([]byte, len("opened\n"))); err != nil {
		t.Fatalf("%s: the child did not open the slot: %v", e.Name, err)
	}
	private, err = memscan.Scan(c.Process.Pid, privatePatterns(t, e))
	must(t, err)
	data, err = memscan.Scan(c.Process.Pid, memscan.KeyPatterns("data key", dataKey))
	must(t, err)
	must(t, in.Close())
	_ = c.Wait() // it reads an end of file
	return writable(private), writable(data)
}

// writable leaves out the constants of the program and its libraries: some examples have keys such
// as 00 01 02 ...
func writable(hits []memscan.Hit) []memscan.Hit {
	return slices.DeleteFunc(hits,
		func(h memscan.Hit) bool { return !strings.HasPrefix(h.Mapping, "rw") })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// privatePatterns are the secret numbers of a private key, as bytes and as little-endian words.
func privatePatterns(t *testing.T, e example) (all []memscan.Pattern) {
	t.Helper()
	add := func(name string, b []byte) {
		all = append(all, memscan.KeyPatterns(name, b)...)
		reversed := slices.Clone(b)
		slices.Reverse(reversed)
		all = append(all, memscan.Pattern{Name: name + " reversed", Bytes: reversed[:16]},
			memscan.Pattern{Name: name + " reversed, end", Bytes: reversed[len(b)-16:]})
	}
	if at := bytes.Index(e.PrivateKey, []byte{0x80, 0x40}); e.Scheme >= format.PairHPKEMLKEM768 {
		add("d", e.PrivateKey[at+2:at+34])
		add("z", e.PrivateKey[at+34:at+66])
		return all
	}
	parsed, err := x509.ParsePKCS8PrivateKey(e.PrivateKey)
	must(t, err)
	switch k := crypto.PrivateKey(parsed).(type) {
	case *ecdsa.PrivateKey:
		var exchange *ecdh.PrivateKey
		exchange, err = k.ECDH()
		must(t, err)
		add("scalar", exchange.Bytes())
	case *rsa.PrivateKey:
		for name, n := range map[string]*big.Int{"d": k.D, "p": k.Primes[0], "q": k.Primes[1],
			"dp": k.Precomputed.Dp, "dq": k.Precomputed.Dq, "qinv": k.Precomputed.Qinv} {
			add(name, n.Bytes())
		}
	}
	return all
}

// TestPairLeavesNoKey reads the memory of a process that has opened a pair slot. Of RSA private
// keys, and of them only, something is known to be left; see openPair. The data key is in locked
// memory only, whatever the scheme.
func TestPairLeavesNoKey(t *testing.T) {
	all, info, _ := examples(t)
	for _, e := range all {
		dataKey := randomDataKey(t, &e, info)
		private, data := scanChild(t, "careful", e, info, dataKey)
		if len(private) > 0 && e.Scheme != format.PairRSAOAEP {
			t.Errorf("%s: of the private key\n%s", e.Name, memscan.Summary(private))
		}
		if loose := memscan.Unprotected(data); len(loose) > 0 || len(data) == 0 {
			t.Errorf("%s: %d hits of the data key\n%s", e.Name, len(data), memscan.Summary(loose))
		}
	}
}

// randomDataKey replaces the example's, whose bytes 00 01 02 ... are found in any program.
func randomDataKey(t *testing.T, e *example, info []byte) []byte {
	t.Helper()
	public, err := parsePublicKey(e.PublicKey)
	must(t, err)
	dataKey := make([]byte, 32)
	rand.Read(dataKey)
	e.SealedDataKey, err = public.seal(info, dataKey)
	must(t, err)
	return dataKey
}

// TestScanFindsPrivateKeys shows that there would be something to find.
func TestScanFindsPrivateKeys(t *testing.T) {
	all, info, dataKey := examples(t)
	for _, e := range all[:4] {
		if private, _ := scanChild(t, "careless", e, info, dataKey); len(private) == 0 {
			t.Errorf("%s: a private key that is kept on the heap was not found", e.Name)
		}
	}
}
