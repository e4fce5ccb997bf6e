package keyring

import (
	"bytes"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/sha3"
	"encoding/asn1"
	"encoding/hex"
	"testing"

	"github.com/envseal/envseal/format"
)

// rfc9180 has the base mode vectors of RFC 9180 for the suites of pairs; it has none for P-384, and
// the draft for ML-KEM none with our hash. exports is the digest that Go's own copy of the vectors
// keeps of 1000 exported values, instead of the values.
var rfc9180 = []struct {
	curve                         ecdhCurve
	private, public, enc, exports string
}{
	{
		ecdhCurve{"P-256", format.PairHPKEP256, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7},
			elliptic.P256()},
		"317f915db7bc629c48fe765587897e01e282d3e8445f79f27f65d031a88082b2",
		"04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f" +
			"853148544876de76c0f2ef99cdc3a05ccf5ded7860c7c021238f9e2073d2356c",
		"04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e" +
			"0b21bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e0",
		"038af0baa5ce3c4c5f371c3823b15217",
	},
	{
		ecdhCurve{"P-521", format.PairHPKEP521, asn1.ObjectIdentifier{1, 3, 132, 0, 35},
			elliptic.P521()},
		"01462680369ae375e4b3791070a7458ed527842f6a98a79ff5e0d4cbde83c271" +
			"96a3916956655523a6a2556a7af62c5cadabe2ef9da3760bb21e005202f7b2462847",
		"0401b45498c1714e2dce167d3caf162e45e0642afc7ed435df7902ccae0e84ba0f" +
			"7d373f646b7738bbbdca11ed91bdeae3cdcba3301f2457be452f271fa6837580" +
			"e661012af49583a62e48d44bed350c7118c0d8dc861c238c72a2bda17f64704f" +
			"464b57338e7f40b60959480c0e58e6559b190d81663ed816e523b6b6a418f66d" +
			"2451ec64",
		"040138b385ca16bb0d5fa0c0665fbbd7e69e3ee29f63991d3e9b5fa740aab8900a" +
			"aeed46ed73a49055758425a0ce36507c54b29cc5b85a5cee6bae0cf1c21f2731" +
			"ece2013dc3fb7c8d21654bb161b463962ca19e8c654ff24c94dd2898de12051f" +
			"1ed0692237fb02b2f8d1dc1c73e9b366b529eb436e98a996ee522aef863dd573" +
			"9d2f29b0",
		"fbffd93db9f000f51cf8ab4c1127fbda",
	},
}

// TestRFC9180 has a private key read as KMS gives it, and its exported values taken as the suite of
// its pair says.
func TestRFC9180(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, v := range rfc9180 {
		k, err := parsePrivateKey(v.curve.pkcs8(t, unhex(v.private)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(k.public.kem.Bytes(), unhex(v.public)) {
			t.Errorf("%s: another public key", v.curve.name)
		}
		r, err := hpke.NewRecipient(unhex(v.enc), k.kem, k.public.hpke.kdf, hpke.AES256GCM(),
			[]byte("Ode on a Grecian Urn"))
		if err != nil {
			t.Fatal(err)
		}
		if got := digestOfExports(t, r); got != v.exports {
			t.Errorf("%s: exported values of digest %s, not %s", v.curve.name, got, v.exports)
		}
	}
}

// digestOfExports exports values of 0 to 999 bytes, for contexts out of SHAKE128 of nothing.
func digestOfExports(t *testing.T, r *hpke.Recipient) string {
	t.Helper()
	contexts, all := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	for n := range 1000 {
		size := make([]byte, 1)
		contexts.Read(size)
		context := make([]byte, size[0])
		contexts.Read(context)
		value, err := r.Export(string(context), n)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(value)
	}
	digest := make([]byte, 16)
	all.Read(digest)
	return hex.EncodeToString(digest)
}
