package format_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// armorText is armor by hand, of the specification alone.
func armorText(file []byte) []byte {
	text := []byte(beginLine)
	for len(file) > 0 {
		n := min(48, len(file))
		text = append(append(text, base64.StdEncoding.EncodeToString(file[:n])...), '\n')
		file = file[n:]
	}
	return append(text, endLine...)
}

// armors are vectors about files as text.
func (m *maker) armors() {
	same := func(b []byte) []byte { return b }
	m.goodArmor("full-last-line",
		"the file has 528+48 bytes: a multiple of 48, so the last line is full", 48, same)
	m.goodArmor("last-line-of-4", "the last line has 4 characters, two of them padding", 49, same)
	m.goodArmor("padding-1", "one character of padding", 50, same)
	m.goodArmor("padding-0", "no padding, and a last line that is not full", 51, same)
	m.goodArmor("empty", "an empty plaintext", 0, same)
	m.goodArmor("three-chunks", "three chunks", 2*specChunk+1, same)
	m.goodArmor("crlf", "lines end with carriage return and line feed", 100, crlf)
	m.goodArmor("mixed-line-ends", "some lines end with carriage return and line feed", 100,
		func(b []byte) []byte { return bytes.Replace(b, []byte("\n"), []byte("\r\n"), 4) })
	m.goodArmor("end-without-line-end", "the END line has no line end", 100,
		func(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\n")) })
	m.armorBegins()
	m.armorEndLines()
	m.armorLines()
	m.armorLastLine()
	m.armorContents()
}

// armored is a plan with so many bytes of content, and its armor.
func (m *maker) armored(name string, size int) (*plan, []byte) {
	p := m.plan("armor-" + name)
	p.content = stuff(p.name, size)
	return p, armorText(p.file())
}

func (m *maker) goodArmor(name, comment string, size int, change func(text []byte) []byte) {
	p, text := m.armored(name, size)
	v := m.opens(comment, p)
	v.form, v.body = "armor", change(text)
}

// badArmor adds a text that is not armor. The reason "behind" is one that shows once the file was
// read.
func (m *maker) badArmor(expect, reason, name, comment string, change func(text string) string) {
	p, text := m.armored(name, 100)
	v := m.refused(expect, reason, comment, p, []byte(change(string(text))), 0)
	v.form = "armor"
	if reason == "behind" {
		v.reason, v.released = "armor", []released{releasedOf(nil), releasedOf(p.content)}
	}
}

// swap replaces a piece of the armor, which must be there.
func (m *maker) swap(from, to string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, from) {
			m.t.Fatalf("no %q in the armor", from)
		}
		return strings.Replace(text, from, to, 1)
	}
}

// armorBegins are about the BEGIN line and what may stand before it.
func (m *maker) armorBegins() {
	begin := strings.TrimSpace(beginLine)
	m.badArmor("foreign", "", "other-label", "PEM with another label",
		m.swap("BEGIN ENVSEAL FILE", "BEGIN CERTIFICATE"))
	m.badArmor("foreign", "", "lower-case-begin", "the BEGIN line in lower case",
		m.swap(begin, strings.ToLower(begin)))
	m.badArmor("foreign", "", "four-hyphens", "four hyphens before BEGIN", m.swap(begin, begin[1:]))
	m.badArmor("foreign", "", "space-behind-begin", "a space behind the BEGIN line",
		m.swap(begin, begin+" "))
	m.badArmor("foreign", "", "line-before", "an empty line before the BEGIN line",
		func(s string) string { return "\n" + s })
	m.badArmor("foreign", "", "text-before", "a line of text before the BEGIN line",
		func(s string) string { return "Here it is:\n" + s })
	m.badArmor("foreign", "", "byte-order-mark", "a UTF-8 byte order mark before the BEGIN line",
		func(s string) string { return "\ufeff" + s })
	m.badArmor("damaged", "truncated", "begin-cut", "the file ends in the BEGIN line",
		func(string) string { return begin[:20] })
	m.badArmor("damaged", "truncated", "begin-only", "the file ends behind the BEGIN line",
		func(string) string { return beginLine })
	m.badArmor("damaged", "", "nothing-inside", "no line between BEGIN and END",
		func(string) string { return beginLine + endLine })
	m.all[len(m.all)-1].expect = "foreign"
}

// armorEndLines are about the END line and what may stand behind it.
func (m *maker) armorEndLines() {
	end := strings.TrimSpace(endLine)
	m.badArmor("damaged", "truncated", "end-missing", "the END line is missing", m.swap(endLine, ""))
	// replaced below
	m.badArmor("damaged", "truncated", "end-cut",
		"the END line lacks its last hyphen and what is behind it", m.swap("-\n", "-\n"))
	last := m.all[len(m.all)-1]
	last.body = bytes.TrimSuffix(last.body, []byte("-\n"))
	m.badArmor("damaged", "truncated", "end-half-line-end",
		"a carriage return without its line feed behind the END line",
		func(s string) string { return strings.TrimSuffix(s, "\n") + "\r" })
	m.badArmor("damaged", "behind", "line-behind", "an empty line behind the END line",
		func(s string) string { return s + "\n" })
	m.badArmor("damaged", "behind", "text-behind", "text behind the END line",
		func(s string) string { return s + "-- \nregards\n" })
	m.badArmor("damaged", "behind", "twice", "the armored file twice",
		func(s string) string { return s + s })
	m.badArmor("damaged", "behind", "end-twice", "the END line twice",
		func(s string) string { return s + endLine })
	m.badArmor("damaged", "armor", "begin-twice", "the BEGIN line twice",
		func(s string) string { return beginLine + s })
	m.badArmor("damaged", "behind", "end-lower-case", "the END line in lower case",
		m.swap(end, strings.ToLower(end)))
	m.badArmor("damaged", "behind", "end-other-label", "the END line has another label",
		m.swap("END ENVSEAL FILE", "END ENVSEAL"))
	m.badArmor("damaged", "armor", "header", "a header, as PEM of old has them",
		m.swap(beginLine, beginLine+"Comment: no\n\n"))
	m.badArmor("damaged", "armor", "empty-line", "an empty line behind the BEGIN line",
		m.swap(beginLine, beginLine+"\n"))
	m.badArmor("damaged", "armor", "header-twice", "a header twice",
		m.swap(beginLine, beginLine+"Version: 1\nVersion: 1\n\n"))
	m.armorBlocks()
}

// armorBlocks are about a sound armored file behind something that PEM libraries skip.
func (m *maker) armorBlocks() {
	m.badArmor("damaged", "armor", "broken-block-before",
		"a block that is no base64, and a sound one behind it",
		func(s string) string { return beginLine + "!no base64!\n" + endLine + s })
	m.badArmor("damaged", "armor", "cut-block-before",
		"a block that ends within the header, without its END line, and a sound one behind it",
		func(s string) string {
			return strings.Join(strings.SplitAfter(s, "\n")[:4], "") + s
		})
	m.badArmor("foreign", "", "certificate-before",
		"a block with another label, and a sound one behind it", func(s string) string {
			return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + s
		})
}

// badLines changes the lines of the armor, each with its line end; the first is the BEGIN line.
func (m *maker) badLines(name, comment string, change func(lines []string) []string) {
	m.badArmor("damaged", "armor", name, comment, func(s string) string {
		return strings.Join(change(strings.SplitAfter(s, "\n")), "")
	})
}

// armorLines are about the lines between.
func (m *maker) armorLines() {
	m.badLines("empty-line-inside", "an empty line between two lines",
		func(l []string) []string { return slices.Insert(l, 3, "\n") })
	m.badLines("line-of-60", "a line of 60 characters that is not the last",
		func(l []string) []string { l[2] = l[2][:60] + "\n" + l[2][60:]; return l })
	m.badLines("line-of-68", "a line of 68 characters",
		func(l []string) []string { l[2], l[3] = l[2][:64]+l[3][:4]+"\n", l[3][4:]; return l })
	m.badLines("line-of-76", "lines of 76 characters, as MIME has them", func(l []string) []string {
		all := strings.ReplaceAll(strings.Join(l[1:len(l)-2], ""), "\n", "")
		var out []string
		for part := range slices.Chunk([]byte(all), 76) {
			out = append(out, string(part)+"\n")
		}
		return slices.Concat(l[:1], out, l[len(l)-2:])
	})
	m.badLines("one-line", "all on one line", func(l []string) []string {
		return []string{l[0],
			strings.ReplaceAll(strings.Join(l[1:len(l)-2], ""), "\n", "") + "\n", endLine}
	})
	m.badLines("space-before", "a space at the beginning of a line",
		func(l []string) []string { l[2] = " " + l[2]; return l })
	m.badLines("space-behind", "a space at the end of a line",
		func(l []string) []string { l[2] = l[2][:64] + " \n"; return l })
	m.badLines("tab-inside", "a tab in a line",
		func(l []string) []string { l[2] = l[2][:10] + "\t" + l[2][10:]; return l })
	m.badLines("nul-inside", "a NUL in place of a character",
		func(l []string) []string { l[2] = l[2][:10] + "\x00" + l[2][11:]; return l })
	m.badLines("two-carriage-returns", "two carriage returns before a line feed",
		func(l []string) []string { l[2] = l[2][:64] + "\r\r\n"; return l })
	m.badLines("carriage-returns-only", "lines end with carriage returns alone",
		func(l []string) []string { l[2] = l[2][:64] + "\r"; return l })
	m.badLines("url-alphabet", "the alphabet for URLs",
		func(l []string) []string { l[2] = "-_" + l[2][2:]; return l })
	m.badLines("padding-inside", "padding inside a line",
		func(l []string) []string { l[2] = l[2][:30] + "==" + l[2][32:]; return l })
	m.badLines("quoted", "lines that begin with > as in an answer to a mail",
		func(l []string) []string { l[2] = "> " + l[2]; return l })
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }

// armorLastLine is about the last line of base64. Its chunk does not open, or is not all there, so
// nothing comes out.
func (m *maker) armorLastLine() {
	tail := func(name, comment, from, to string) {
		m.badArmor("damaged", "armor", name, comment, func(s string) string {
			before, ok := strings.CutSuffix(s, from+"\n"+endLine)
			if !ok {
				m.t.Fatalf("%s: the armor does not end with %q: %q", name, from, s[len(s)-60:])
			}
			return before + to + "\n" + endLine
		})
	}
	// a file of 512+100+16 bytes: the last line has 4 bytes of it, and ends with ==
	tail("padding-missing", "the padding is missing", "==", "")
	tail("padding-half", "half of the padding is missing", "==", "=")
	tail("padding-more", "a character of padding too many", "==", "===")
	tail("padding-line", "a line of padding more", "==", "==\n====")
	m.badArmor("damaged", "armor", "padding-bits", "the bits that the padding leaves over are not 0",
		func(s string) string {
			at := strings.LastIndex(s, "==\n")
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			return s[:at-1] + string(alphabet[strings.IndexByte(alphabet, s[at-1])+1]) + s[at:]
		})
	m.badArmor("damaged", "armor", "line-behind-short", "a line behind one that is not full",
		func(s string) string {
			return strings.Replace(s, "==\n", "==\nAAAA\n", 1)
		})
}

// armorContents are about good armor of a file that is not good.
func (m *maker) armorContents() {
	inside := func(expect, reason, name, comment string, change func(file []byte) []byte) {
		p, _ := m.armored(name, 100)
		v := m.refused(expect, reason, comment, p, armorText(change(p.file())), 0)
		v.form = "armor"
	}
	inside("foreign", "", "of-text", "text in armor",
		func([]byte) []byte { return []byte("no sealed file\n") })
	inside("foreign", "", "of-armor", "armor in armor", armorText)
	inside("newer", "", "of-version-2", "a file of version 2 in armor",
		func(b []byte) []byte { b[7] = 2; return b })
	inside("damaged", "truncated", "of-cut-header", "a file whose header is cut off, in whole armor",
		func(b []byte) []byte { return b[:300] })
	inside("damaged", "altered", "of-cut-payload", "a file that is cut off, in whole armor",
		func(b []byte) []byte { return b[:len(b)-1] })
	inside("damaged", "altered", "of-altered", "an altered file in whole armor",
		func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	inside("damaged", "header", "of-bad-checksum", "a wrong checksum in whole armor",
		func(b []byte) []byte { b[511] ^= 1; return b })
}

// detachedHeaders are vectors about headers in a file of their own.
func (m *maker) detachedHeaders() {
	make2 := func(v *vector, head, payload []byte) {
		v.form, v.detached, v.body = "detached", len(head), append(bytes.Clone(head), payload...)
	}
	for _, size := range []int{0, 100, 2 * specChunk} {
		p := m.plan(fmt.Sprintf("detached-%d", size))
		p.content = stuff(p.name, size)
		make2(m.opens(fmt.Sprintf("a detached header, and a payload of %d bytes of plaintext", size), p),
			p.header(), p.payload())
	}
	for i := 0; ; i++ { // one of 256 begins so
		p := m.plan(fmt.Sprintf("detached-hyphen-%d", i))
		if p.payload()[0] == '-' {
			p.name = "detached-hyphen"
			make2(m.opens("the payload begins with a hyphen by chance: it is no armor", p), p.header(),
				p.payload())
			break
		}
	}
	frames := []zframe{stored([]byte("compressed"))}
	p := m.zstdPlan("detached", append(bytes.Clone(frames[0].data), tableOf(frames, false).bytes()...))
	p.content = []byte("compressed")
	make2(m.opens("a detached header of a compressed file", p), p.header(), p.payload())
	bad := func(name, comment, reason string, good int, change func(p *plan) (head, payload []byte)) {
		p := m.plan("detached-" + name)
		p.content = stuff("detached", specChunk+100)
		head, payload := change(p)
		make2(m.refused("damaged", reason, comment, p, nil, good), head, payload)
	}
	bad("header-cut", "the header file lacks its last byte", "truncated", 0,
		func(p *plan) (h, b []byte) { h = p.header(); return h[:len(h)-1], p.payload() })
	bad("header-byte-behind", "a byte behind the header in its file", "header", 0,
		func(p *plan) (h, b []byte) { return append(p.header(), 0), p.payload() })
	bad("header-of-whole-file", "the header file is the whole sealed file", "header", 0,
		func(p *plan) (h, b []byte) { return p.file(), p.payload() })
	bad("header-in-both", "the payload file has the header, too", "joined", 0,
		func(p *plan) (h, b []byte) { return p.header(), p.file() })
	bad("header-of-another-file", "the header of another file", "altered", 0,
		func(p *plan) (h, b []byte) { return p.header(), m.plan("another").payload() })
	bad("payload-empty", "an empty payload file", "truncated", 0,
		func(p *plan) (h, b []byte) { return p.header(), nil })
	bad("payload-cut", "the payload lacks its last chunk", "truncated", 1,
		func(p *plan) (h, b []byte) { return p.header(), p.sealed()[0] })
	bad("payload-armored", "the payload in armor, which there is not", "joined", 0,
		func(p *plan) (h, b []byte) { return p.header(), armorText(p.payload()) })
	bad("header-foreign", "the header file is another kind of file", "", 0,
		func(p *plan) (h, b []byte) { return []byte("{}\n"), p.payload() })
	m.all[len(m.all)-1].expect = "foreign"
}
