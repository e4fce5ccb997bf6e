// Package inspect is envseal inspect, which shows what a sealed file or a key file says of itself.
// It asks no key service, and takes nothing it reads for true: a header is not authenticated, and
// may be as large and as strange as its writer likes. Start at options.inspect.
package inspect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// Command is envseal inspect.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Aliases:   []string{"info"},
		Usage:     "show the header of a sealed file, or a key file; needs no key and no network",
		ArgsUsage: "FILE... | -",
		UsageText: "envseal inspect [--json] FILE... | -",
		Description: "Shows sealed files, and the files of `envseal key-pair` (their public key id to compare) and `envseal data-key`. Works on truncated sealed files too. Nothing it shows is authenticated: `envseal verify` does that.\n" +
			"With --json, one JSON object for each file; Kind tells which kind it is.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON, with the field names of AWS KMS"},
			&cli.IntFlag{Name: "max-slots",
				Usage: "refuse a file with more than `N` key slots (default 64)"},
		},
		Action: func(c *cli.Context) error {
			b, err := batch.New("inspect", flags.Work{}, c.Args().Slice())
			if err != nil {
				return err
			}
			o := options{json: c.Bool("json"), maxSlots: c.Int("max-slots")}
			return b.Run(c.Context, o.inspect)
		},
	}
}

type options struct {
	json     bool // instead of a text for people
	maxSlots int  // of a sealed file; 0 stands for the default
}

// inspection is what inspect --json prints. Sizes are in bytes.
type inspection struct {
	File              string
	Kind              string // sealed file
	Version           int
	Suite             string
	Armored           bool `json:",omitempty"`
	ChunkSize         int
	Compression       string
	FileID            string `json:"FileId"` // hex
	EncryptionContext format.Context
	Commitment        string // hex
	HeaderLength      int64
	KeySlots          [0]inspectedSlot // those of slots, as awscli.PrintJSON shows them
	// of the file as it is; absent for a stream and for armor
	SealedSize *int64 `json:",omitempty"`
	// PlaintextSize follows from SealedSize. It is absent for a stream, and null where no whole file
	// has SealedSize: it was truncated or lengthened. For a compressed file it is the compressed size.
	PlaintextSize json.RawMessage `json:",omitempty"`

	// slots are decoded one by one: together, those of a hostile header take many times its size.
	slots []format.Slot
}

// inspectedSlot is a key slot. Type is kms, pair or the number of a type that this version does not
// know, with its Body.
type inspectedSlot struct {
	Type string
	// the name in a slot of a type for private use
	Owner                    string         `json:",omitempty"`
	KeyID                    string         `json:"KeyId,omitempty"`
	CiphertextBlob           []byte         `json:",omitempty"`
	Scheme                   string         `json:",omitempty"`
	PublicKeyID              string         `json:"PublicKeyId,omitempty"` // hex
	SealedDataKey            []byte         `json:",omitempty"`
	PrivateKeyCiphertextBlob []byte         `json:",omitempty"`
	PairEncryptionContext    format.Context `json:",omitempty"`
	Body                     []byte         `json:",omitempty"`
}

// shown is what is found of a file.
type shown interface {
	print(w *bufio.Writer) error // for people
	printJSON(w *bufio.Writer) error
}

func (o options) inspect(_ context.Context, name string) error {
	in, src, err := inplace.OpenSealed(name)
	if err != nil {
		return err
	}
	defer in.Close()
	var found shown
	if first, _ := src.Peek(len(keys.PEMBlock)); keys.MayBeKeyFile(first) {
		found, err = inspectKeyFile(name, src)
	} else {
		found, err = o.inspectSealed(in, src)
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file.StdoutText(), 1<<16)
	if o.json {
		err = found.printJSON(out)
	} else {
		err = found.print(out)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func (o options) inspectSealed(in *file.Input, src io.Reader) (*inspection, error) {
	h, armored, err := inplace.ReadHeader(src, format.Limits{MaxSlots: o.maxSlots})
	if err != nil {
		return nil, err
	}
	i := &inspection{
		File:              in.Name,
		Kind:              "sealed file",
		Armored:           armored,
		Version:           format.Version,
		Suite:             h.Suite.String(),
		ChunkSize:         h.ChunkSize(),
		Compression:       h.Compression.String(),
		FileID:            hex.EncodeToString(h.FileID[:]),
		EncryptionContext: notNull(h.Context),
		Commitment:        hex.EncodeToString(h.Commitment[:]),
		HeaderLength:      h.Length,
		slots:             h.Slots,
	}
	if in.Regular && !armored {
		i.SealedSize = &in.Size
		i.PlaintextSize = json.RawMessage("null")
		if n, err := h.Layout().PlaintextSize(in.Size); err == nil {
			i.PlaintextSize = json.RawMessage(fmt.Sprint(n))
		}
	}
	return i, nil
}

// notNull is ec as JSON shows it where there is one, be it empty.
func notNull(ec format.Context) format.Context {
	if ec == nil {
		return format.Context{}
	}
	return ec
}

// row prints a line for people.
func row(w io.Writer, name, format string, args ...any) {
	fmt.Fprintf(w, "  %-16s "+format+"\n", append([]any{name}, args...)...)
}

func describeSlot(s format.Slot) (inspectedSlot, error) {
	switch s.Type {
	case format.SlotKMS:
		k, err := s.KMS()
		return inspectedSlot{Type: "kms", KeyID: k.KeyID, CiphertextBlob: k.CiphertextBlob}, err
	case format.SlotPair:
		p, err := s.Pair()
		return inspectedSlot{
			Type:                     "pair",
			KeyID:                    p.KeyID,
			Scheme:                   p.Scheme.String(),
			PublicKeyID:              hex.EncodeToString(p.PublicKeyID[:]),
			SealedDataKey:            p.SealedDataKey,
			PrivateKeyCiphertextBlob: p.PrivateKeyCiphertextBlob,
			PairEncryptionContext:    p.PairContext,
		}, err
	}
	p, _ := s.Private() // no name: it is unknown all the more
	return inspectedSlot{Type: fmt.Sprint(uint8(s.Type)), Owner: p.Name, Body: s.Body}, nil
}

// print quotes values from the file where they could steer a terminal.
func (i *inspection) print(w *bufio.Writer) error {
	fmt.Fprintf(w, "%s: envseal file, format version %d\n", ui.PlainText(i.File), i.Version)
	if i.Armored {
		row(w, "armor", "yes: the file is text")
	}
	row(w, "suite", "%s", i.Suite)
	row(w, "chunk size", "%d bytes", i.ChunkSize)
	row(w, "compression", "%s", i.Compression)
	row(w, "file id", "%s", i.FileID)
	row(w, "header", "%d bytes", i.HeaderLength)
	if i.SealedSize != nil {
		row(w, "sealed size", "%d bytes", *i.SealedSize)
		switch {
		case *i.SealedSize == i.HeaderLength:
			row(w, i.contents(),
				"unknown: this is the header alone; the payload is kept apart, or was cut off")
		case string(i.PlaintextSize) == "null":
			row(w, i.contents(),
				"unknown: no whole file has this sealed size; it was truncated or lengthened")
		default:
			row(w, i.contents(), "%s bytes", i.PlaintextSize)
		}
	}
	row(w, "context", "%s", keys.ContextText(i.EncryptionContext))
	for n, slot := range i.slots {
		s, err := describeSlot(slot)
		if err != nil {
			return err
		}
		row(w, fmt.Sprintf("key slot %d", n+1), "%s", s.text())
	}
	return nil
}

// contents is what the chunks hold.
func (i *inspection) contents() string {
	if i.Compression != format.CompressionNone.String() {
		return "compressed size"
	}
	return "plaintext size"
}

func (s inspectedSlot) text() string {
	switch {
	case s.CiphertextBlob != nil:
		return fmt.Sprintf("KMS key %s, CiphertextBlob of %d bytes",
			ui.PlainText(s.KeyID), len(s.CiphertextBlob))
	case s.Scheme != "":
		return fmt.Sprintf("key pair %s of KMS key %s, public key %s, pair context %s", s.Scheme,
			ui.PlainText(s.KeyID), s.PublicKeyID, keys.ContextText(s.PairEncryptionContext))
	}
	if s.Owner != "" {
		return fmt.Sprintf("type %s of %s, for private use, %d bytes", s.Type, s.Owner, len(s.Body))
	}
	return fmt.Sprintf("type %s, which this version does not know, %d bytes", s.Type, len(s.Body))
}

// printJSON is ui.WriteIndented, with the slots.
func (i *inspection) printJSON(w *bufio.Writer) error {
	var text bytes.Buffer
	if err := ui.WriteIndented(&text, i); err != nil {
		return err
	}
	const noSlots = "\n  \"KeySlots\": [" // in a string, quotes are escaped
	before, behind, _ := strings.Cut(text.String(), noSlots)
	w.WriteString(before + noSlots)
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	for n, s := range i.slots {
		if n > 0 {
			w.WriteString(",")
		}
		w.WriteString("\n    ")
		if s.Type != format.SlotKMS && s.Type != format.SlotPair && len(s.Body) > inplace.MostKept {
			printLongSlot(w, s)
			continue
		}
		slot, err := describeSlot(s)
		if err != nil {
			return err
		}
		text.Reset()
		if err := enc.Encode(slot); err != nil {
			return err
		}
		w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	}
	_, err := w.WriteString("\n  " + behind)
	return err
}

// printLongSlot prints a slot of an unknown type, which can be as long as a header.
func printLongSlot(w *bufio.Writer, s format.Slot) {
	fmt.Fprintf(w, "{\n      \"Type\": \"%d\",", s.Type)
	if p, err := s.Private(); err == nil {
		fmt.Fprintf(w, "\n      \"Owner\": %s,", strconv.Quote(p.Name))
	}
	w.WriteString("\n      \"Body\": \"")
	body := base64.NewEncoder(base64.StdEncoding, w)
	body.Write(s.Body)
	body.Close()
	w.WriteString("\"\n    }")
}
