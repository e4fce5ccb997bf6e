package inspect

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

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
