package manual

import "testing"

// No character is left to the taste of roff.
func TestRoffText(t *testing.T) {
	for text, want := range map[string]string{".x": `\&.x`, "'x": `\(aqx`, `a\b`: `a\eb`,
		"--f": `\-\-f`, `"`: `\(dq`, "a.b": "a.b"} {
		if got := roffText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"a `b-c` d": `a \fIb\-c\fR d`,
		"a ` b": `a \(ga b`, "`.x`": `\fI\&.x\fR`} {
		if got := roffMarked(text, "I"); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
