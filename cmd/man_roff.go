package cmd

import "strings"

// roffEscapes are the characters that roff would take for something else: its escape character, those that it would set as typographic ones,
// and the hyphen, which could not be pasted into a shell.
var roffEscapes = map[rune]string{'\\': `\e`, '-': `\-`, '\'': `\(aq`, '`': `\(ga`, '^': `\(ha`, '~': `\(ti`, '"': `\(dq`}

// roffText is s as roff must have it to print it, also at the beginning of a line or in the quotes of a macro.
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

// usages writes the lines of a usage text, each with the remark that stands behind some blanks.
func (p *manWriter) usages(text string) {
	for line := range strings.Lines(text) {
		usage, remark, _ := strings.Cut(strings.TrimSpace(line), "   ")
		if usage == "" {
			continue
		}
		if remark = strings.TrimSpace(remark); remark == "" {
			p.paragraph()
			p.line(`\fB` + roffText(usage) + `\fR`)
			continue
		}
		p.line(".TP")
		p.line(`\fB` + roffText(usage) + `\fR`)
		p.line(roffText(remark))
	}
}

// text writes a description: its lines are filled, but those that are indented stay as they are.
func (p *manWriter) text(s string) {
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "":
			p.paragraph()
		case line[0] == ' ':
			p.paragraph()
			p.line(".RS 4\n.nf")
			p.line(roffText(strings.TrimSpace(line)))
			p.line(".fi\n.RE")
			p.paragraph()
		default:
			p.line(roffMarked(line, "B"))
		}
	}
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
