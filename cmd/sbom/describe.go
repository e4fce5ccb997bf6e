package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"
)

const (
	ownLicence = "Apache-2.0"
	goLicence  = "BSD-3-Clause"
)

// describe makes the document. The dependencies that the linker notes have no order among themselves, so all of them hang on the program.
func describe(info *debug.BuildInfo, version string, sum [sha256.Size]byte, licences map[string]string) (*bom, error) {
	own := component{
		Type: "application", BOMRef: purl(info.Main.Path, version), PURL: purl(info.Main.Path, version), Name: "envseal", Version: version,
		Hashes:     []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		Licenses:   []licence{{ownLicence}},
		References: []reference{{"vcs", "https://" + info.Main.Path}},
	}
	b := &bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", BOMFormat: "CycloneDX", SpecVersion: "1.6", SerialNumber: serial(sum), Version: 1,
		Metadata: metadata{Lifecycles: []lifecycle{{"post-build"}}, Component: own, Properties: settings(info)},
	}
	goID := purl("std", strings.TrimPrefix(info.GoVersion, "go"))
	std := component{Type: "library", BOMRef: goID, PURL: goID, Name: "std", Version: info.GoVersion, Scope: "required", Licenses: []licence{{goLicence}}}
	b.Components = append(b.Components, std)
	for _, m := range info.Deps {
		c, err := module(m, licences)
		if err != nil {
			return nil, err
		}
		b.Components = append(b.Components, c)
	}
	all := dependency{Ref: own.BOMRef}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.BOMRef)
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.BOMRef})
	}
	b.Dependencies = append([]dependency{all}, b.Dependencies...)
	return b, nil
}

// module describes a dependency. Its hash is that of go.sum (h1): SHA-256 of the list of its files and their hashes, which is also what cyclonedx-gomod gives.
func module(m *debug.Module, licences map[string]string) (component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	known, ok := licences[m.Path+"@"+m.Version]
	if !ok {
		return component{}, fmt.Errorf("%s %s: no licence is known for it", m.Path, m.Version)
	}
	sum, ok := strings.CutPrefix(m.Sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(sum)
	if !ok || err != nil || len(raw) != sha256.Size {
		return component{}, fmt.Errorf("%s %s: %q is no checksum of go.sum", m.Path, m.Version, m.Sum)
	}
	id := purl(m.Path, m.Version)
	return component{
		Type: "library", BOMRef: id, PURL: id, Name: m.Path, Version: m.Version, Scope: "required",
		Hashes: []hash{{"SHA-256", hex.EncodeToString(raw)}}, Licenses: []licence{{known}},
	}, nil
}

// settings are those of go build, in its order.
func settings(info *debug.BuildInfo) []property {
	all := []property{{"go:version", info.GoVersion}}
	for _, s := range info.Settings {
		all = append(all, property{"go:build:" + s.Key, s.Value})
	}
	return all
}

// purl is a package URL (https://github.com/package-url/purl-spec) of the type golang. Parentheses and plus signs, as in (devel), are to be escaped in a version.
func purl(path, version string) string {
	escaped := strings.NewReplacer("%", "%25", "(", "%28", ")", "%29", "+", "%2B").Replace(version)
	return "pkg:golang/" + path + "@" + escaped
}

// serial makes a UUID (RFC 9562, version 8) from the hash of the program.
func serial(sum [sha256.Size]byte) string {
	u := [16]byte(sum[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// licencesIn reads the tables of docs/dependencies.md: | module | version | licence | ... gives module@version -> licence.
func licencesIn(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		all[strings.TrimSpace(cells[1])+"@"+strings.TrimSpace(cells[2])] = strings.TrimSpace(cells[3])
	}
	return all
}
