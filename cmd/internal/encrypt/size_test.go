package encrypt

import (
	"errors"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// A size that a file cannot hold is a mistake in the arguments, and the right chunk size is named.
func TestSizesBeyondTheFormat(t *testing.T) {
	for _, c := range []struct {
		log  uint8
		size int64
		hint string // empty: it fits
	}{
		{12, 1<<44 - 1, ""}, {12, 1 << 44, "--chunk-size 8KiB"}, {16, 1<<48 - 1, ""},
		{16, 1 << 48, "--chunk-size 128KiB"}, {12, 1<<52 - 1, "--chunk-size 1024KiB"},
		{24, 1<<52 - 1, ""}, {24, 1 << 52, "split the input"}, {12, -1, ""},
	} {
		s := &sealing{}
		err := s.checkSize(format.Layout{ChunkSize: 1 << c.log}, c.size)
		code, hint := exit.Explain(err)
		if (err == nil) != (c.hint == "") || err != nil && (code != exit.Usage ||
			!errors.Is(err, envelope.ErrTooLarge) || !strings.Contains(hint, c.hint)) {
			t.Errorf("%d bytes in chunks of 2^%d: %v, exit code %d, %s", c.size, c.log, err, code, hint)
		}
		s.sealOptions.seal.Compress = envelope.LevelFastest
		if err := s.checkSize(format.Layout{ChunkSize: 1 << c.log}, c.size); err != nil {
			t.Errorf("%d bytes, compressed to nobody knows how many: %v", c.size, err)
		}
	}
}
