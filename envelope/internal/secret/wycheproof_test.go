package secret

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// hexBytes are bytes that a document of Wycheproof has in hex.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func readWycheproof(t *testing.T, name string, doc any) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err == nil {
		err = json.Unmarshal(b, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWycheproofAESGCM leaves out keys of 24 bytes and other nonces than those of 12, which no file
// has.
func TestWycheproofAESGCM(t *testing.T) {
	var doc struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				TcID                       int
				Key, IV, AAD, Msg, CT, Tag hexBytes
				Result                     string
			}
		}
	}
	readWycheproof(t, "aes_gcm_test.json", &doc)
	ran, valid := 0, 0
	for _, g := range doc.TestGroups {
		for _, c := range g.Tests {
			if len(c.Key) == 24 || len(c.IV) != 12 {
				continue
			}
			ran++
			aead := newWycheproofAEAD(t, c.Key)
			sealed := append(bytes.Clone(c.CT), c.Tag...)
			plain, err := aead.Open(nil, c.IV, sealed, c.AAD)
			if (err == nil) != (c.Result == "valid") {
				t.Errorf("%d is %s: %v", c.TcID, c.Result, err)
			}
			if err == nil {
				valid++
				if !bytes.Equal(plain, c.Msg) || !bytes.Equal(aead.Seal(nil, c.IV, c.Msg, c.AAD), sealed) {
					t.Errorf("%d: other bytes", c.TcID)
				}
			}
			aead.Destroy()
		}
	}
	if ran < 100 {
		t.Error("too few")
	}
	t.Logf("%d of %d cases, %d valid", ran, doc.NumberOfTests, valid)
}

func newWycheproofAEAD(t *testing.T, key []byte) (aead *AEAD) {
	t.Helper()
	var err error
	Do(func() { aead, err = NewAESGCM(key) })
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func TestWycheproofHKDF(t *testing.T) {
	var doc struct {
		TestGroups []struct {
			Tests []struct {
				TcID                 int
				IKM, Salt, Info, OKM hexBytes
				Size                 int
				Result               string
			}
		}
	}
	readWycheproof(t, "hkdf_sha512_test.json", &doc)
	ran := 0
	for _, g := range doc.TestGroups {
		for _, c := range g.Tests {
			ran++
			h, err := NewHKDF(c.Salt, c.IKM)
			if err != nil {
				t.Fatal(err)
			}
			okm := make([]byte, c.Size)
			err = h.Expand(okm, c.Info)
			if (err == nil) != (c.Result == "valid") || err == nil && !bytes.Equal(okm, c.OKM) {
				t.Errorf("%d is %s: %x, %v", c.TcID, c.Result, okm, err)
			}
			h.Destroy()
		}
	}
	if ran < 80 {
		t.Error("too few")
	}
	t.Logf("%d cases", ran)
}
