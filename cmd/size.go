package cmd

import (
	"strconv"
	"strings"

	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// parseSize reads a number of bytes with an optional unit: K, M, G, T and KiB, MiB, ... are powers of 1024.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiBkb")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, err
	}
	shift, ok := map[string]uint{"": 0, "B": 0, "K": 10, "k": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30, "T": 40, "TiB": 40}[s[len(digits):]]
	if !ok || n > 1<<62>>shift || n < -(1<<62>>shift) {
		return 0, strconv.ErrSyntax
	}
	return n << shift, nil
}

func sizeHintFlag() cli.Flag {
	return &cli.StringFlag{Name: "size-hint", Category: catFiles, Usage: "that a pipe or command will bring about so many `BYTES`: for the progress, and for the sealed size that -v tells before the data flows"}
}

// sizeHint is the value of --size-hint, -1 if there is none.
func sizeHint(c *cli.Context) (int64, error) {
	text := c.String("size-hint")
	if text == "" {
		return -1, nil
	}
	n, err := parseSize(text)
	if err != nil || n < 0 {
		return 0, fail(exitUsage, "a number of bytes, such as 500M or 10GiB", "--size-hint %q is not a size", text)
	}
	return n, nil
}

// tellSize says how large the output will be, as far as it is known before the data is.
func (s *sealing) tellSize(h *format.Header, in *input) {
	if h.Compression != format.CompressionNone {
		return
	}
	size := in.size
	if size < 0 {
		size, _ = sizeHint(s.c)
	}
	layout := h.Layout()
	if s.c.String("header") != "" {
		layout.HeaderLen = 0
	}
	sealed, err := layout.SealedSize(size)
	if err != nil {
		return // size is unknown, or more than can be sealed, which is said elsewhere
	}
	if s.c.Bool("armor") {
		sealed = format.ArmoredSize(sealed)
	}
	note("%s: sealed size: %d bytes", display(in.name), sealed)
}
