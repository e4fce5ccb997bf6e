//go:build secrets

package memscan_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/envseal/envseal/envelope/keymem/memscan"
)

// textPatterns are the shapes in which a secret of at least 16 bytes could be written: raw, hex,
// base64 (also within a longer text), decimal numbers, as fmt prints a slice, and escaped, as it
// quotes a string. Half of a secret is looked for, either half: a message may be cut.
func textPatterns(name string, secret []byte) (ps []memscan.Pattern) {
	half := min(len(secret)/2, 512)
	if half < 8 {
		return nil
	}
	for i, part := range [][]byte{secret[:half], secret[len(secret)-half:]} {
		n := fmt.Sprintf("%s, half %d", name, i+1)
		add := func(form, text string) {
			ps = append(ps, memscan.Pattern{Name: n + form, Bytes: []byte(text)})
		}
		add("", string(part))
		add(" in hex", hex.EncodeToString(part))
		add(" in HEX", strings.ToUpper(hex.EncodeToString(part)))
		add(" in decimal", strings.Trim(fmt.Sprint(part[:8]), "[]"))
		if quoted := strings.Trim(fmt.Sprintf("%q", part), `"`); quoted != string(part) {
			add(" quoted", quoted)
		}
		for shift := range 3 { // where the secret begins within a group of base64
			for form, code := range map[string]*base64.Encoding{" in base64": base64.RawStdEncoding,
				" in base64url": base64.RawURLEncoding} {
				text := code.EncodeToString(append(bytes.Repeat([]byte{0}, shift), part...))
				add(form, text[4:len(text)-2]) // the characters that depend on the secret alone
			}
		}
	}
	return ps
}
