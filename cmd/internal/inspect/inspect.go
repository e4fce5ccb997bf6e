// Package inspect is envseal inspect.
package inspect

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
			&cli.IntFlag{Name: "max-slots", Usage: "refuse a file with more than `N` key slots (default 64)"},
		},
		Action: func(c *cli.Context) error {
			b, err := batch.New("inspect", flags.Work{}, c.Args().Slice())
			if err != nil {
				return err
			}
			o := inspectOptions{json: c.Bool("json"), maxSlots: c.Int("max-slots")}
			return b.Run(c.Context, o.inspect)
		},
	}
}

type inspectOptions struct {
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
	SealedSize        *int64           `json:",omitempty"` // of the file as it is; absent for a stream and for armor
	// PlaintextSize follows from SealedSize. It is absent for a stream, and null where no whole file has SealedSize: it was truncated or lengthened.
	// For a compressed file it is the compressed size.
	PlaintextSize json.RawMessage `json:",omitempty"`

	slots []format.Slot // decoded one by one: together, those of a hostile header take many times its size
}

// inspectedSlot is a key slot. Type is kms, pair or the number of a type that this version does not know, with its Body.
type inspectedSlot struct {
	Type                     string
	Owner                    string         `json:",omitempty"` // the name in a slot of a type for private use
	KeyID                    string         `json:"KeyId,omitempty"`
	CiphertextBlob           []byte         `json:",omitempty"`
	Scheme                   string         `json:",omitempty"`
	PublicKeyID              string         `json:"PublicKeyId,omitempty"` // hex
	SealedDataKey            []byte         `json:",omitempty"`
	PrivateKeyCiphertextBlob []byte         `json:",omitempty"`
	PairEncryptionContext    format.Context `json:",omitempty"`
	Body                     []byte         `json:",omitempty"`
}

func (o inspectOptions) inspect(_ context.Context, name string) error {
	in, err := file.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := inplace.UseJournal(in); err != nil {
		return err
	}
	buffered := bufio.NewReader(in)
	if first, _ := buffered.Peek(len(keys.PEMBlock)); keys.MayBeKeyFile(first) {
		return o.inspectKeyFile(name, buffered)
	}
	src, armored, err := format.Unarmored(buffered)
	if err != nil {
		return err
	}
	h, err := format.ReadHeader(src, format.Limits{MaxSlots: o.maxSlots})
	if err != nil {
		return err
	}
	i := newInspection(h, in, armored)
	out := bufio.NewWriterSize(file.StdoutText(), 1<<16)
	if o.json {
		err = i.printJSON(out)
	} else {
		err = i.print(out)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// inspectKeyFile does the same for a file that begins as key files do, of which src is the contents.
func (o inspectOptions) inspectKeyFile(name string, src io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(src, format.MaxKeyFile+1))
	if err != nil {
		return err
	}
	k, err := keys.ParseKeyFile(text)
	if errors.Is(err, format.ErrNotEnvseal) {
		return err
	}
	if err != nil {
		return keys.KeyFileError(ui.ShownInput(name), "envseal key-pair` or `envseal data-key", err)
	}
	i := inspectedKeyFile(k, name)
	if o.json {
		return ui.WriteIndented(file.StdoutText(), i)
	}
	return i.print(file.StdoutText(), k.String())
}

func newInspection(h *format.Header, in *file.Input, armored bool) *inspection {
	i := &inspection{
		File:              in.Name,
		Kind:              "sealed file",
		Armored:           armored,
		Version:           format.Version,
		Suite:             h.Suite.String(),
		ChunkSize:         h.ChunkSize(),
		Compression:       h.Compression.String(),
		FileID:            hex.EncodeToString(h.FileID[:]),
		EncryptionContext: h.Context,
		Commitment:        hex.EncodeToString(h.Commitment[:]),
		HeaderLength:      h.Length,
		slots:             h.Slots,
	}
	if i.EncryptionContext == nil {
		i.EncryptionContext = format.Context{}
	}
	if in.Regular && !armored {
		size := in.Size
		i.SealedSize = &size
		i.PlaintextSize = json.RawMessage("null")
		if n, err := h.Layout().PlaintextSize(size); err == nil {
			i.PlaintextSize = json.RawMessage(fmt.Sprint(n))
		}
	}
	return i
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

// print is for people. Values from the file are quoted where they could steer a terminal.
func (i *inspection) print(w io.Writer) error {
	row := func(name, value string) { fmt.Fprintf(w, "  %-16s %s\n", name, value) }
	fmt.Fprintf(w, "%s: envseal file, format version %d\n", ui.PlainText(i.File), i.Version)
	if i.Armored {
		row("armor", "yes: the file is text")
	}
	row("suite", i.Suite)
	row("chunk size", fmt.Sprintf("%d bytes", i.ChunkSize))
	row("compression", i.Compression)
	row("file id", i.FileID)
	row("header", fmt.Sprintf("%d bytes", i.HeaderLength))
	if i.SealedSize != nil {
		row("sealed size", fmt.Sprintf("%d bytes", *i.SealedSize))
		if *i.SealedSize == i.HeaderLength {
			row(i.contents(), "unknown: this is the header alone; the payload is kept apart, or was cut off")
		} else if string(i.PlaintextSize) == "null" {
			row(i.contents(), "unknown: no whole file has this sealed size; it was truncated or lengthened")
		} else {
			row(i.contents(), string(i.PlaintextSize)+" bytes")
		}
	}
	row("context", keys.ContextText(i.EncryptionContext))
	for n, slot := range i.slots {
		s, err := describeSlot(slot)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("key slot %d", n+1), s.text())
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
		return fmt.Sprintf("KMS key %s, CiphertextBlob of %d bytes", ui.PlainText(s.KeyID), len(s.CiphertextBlob))
	case s.Scheme != "":
		return fmt.Sprintf("key pair %s of KMS key %s, public key %s, pair context %s", s.Scheme, ui.PlainText(s.KeyID), s.PublicKeyID, keys.ContextText(s.PairEncryptionContext))
	}
	if s.Owner != "" {
		return fmt.Sprintf("type %s of %s, for private use, %d bytes", s.Type, s.Owner, len(s.Body))
	}
	return fmt.Sprintf("type %s, which this version does not know, %d bytes", s.Type, len(s.Body))
}
