package manual

import (
	"strings"
)

// roffEscapes are the characters that roff would take for something else: its escape character,
// those that it would set as typographic ones, and the hyphen, which could not be pasted into a
// shell.
var roffEscapes = map[rune]string{'\\': `\e`, '-': `\-`, '\'': `\(aq`, '`': `\(ga`, '^': `\(ha`,
	'~': `\(ti`, '"': `\(dq`}

// roffText is s as roff must have it to print it, also at the beginning of a line or in the quotes
// of a macro.
func roffText(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i == 0 && r == '.' {
			b.WriteString(`\&`) // else it were a macro
		}
		if e, ok := roffEscapes[r]; ok {
			b.WriteString(e)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// roffMarked is roffText, with what is in backquotes in the given font: I or B.
func roffMarked(s, font string) string {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 {
		return roffText(s) // one is without its other
	}
	for i, part := range parts {
		if parts[i] = roffText(part); i%2 == 1 {
			parts[i] = `\f` + font + parts[i] + `\fR`
		}
	}
	return strings.Join(parts, "")
}

// manWriter writes a page in roff. The zero value is ready to use.
type manWriter struct {
	b      strings.Builder
	shared []Group // see share
	gap    bool    // a new paragraph begins, unless what comes next does it
	top    bool    // a section begins
}

// line writes a line as it is.
func (p *manWriter) line(s string) {
	if p.gap && !strings.HasPrefix(s, ".TP") {
		p.b.WriteString(".PP\n")
	}
	p.gap, p.top = false, strings.HasPrefix(s, ".S")
	p.b.WriteString(s + "\n")
}

// paragraph has a new one begin.
func (p *manWriter) paragraph() { p.gap = !p.top }

// blocks writes paragraphs, and terms with what they mean.
func (p *manWriter) blocks(all []block) {
	for _, b := range all {
		switch term := `\fB` + roffText(b.term) + `\fR`; {
		case b == (block{}):
			p.paragraph()
		case b.term == "":
			p.line(roffMarked(b.text, "B"))
		case b.text == "":
			p.paragraph()
			p.line(term)
			p.paragraph()
		default:
			p.line(".TP")
			p.line(term)
			p.line(roffMarked(b.text, "B"))
		}
	}
}
