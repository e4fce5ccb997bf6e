package main

// The parts of a CycloneDX 1.6 document that are used here. The names of the fields are the specification's.

type bom struct {
	Schema       string       `json:"$schema"`
	BOMFormat    string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"` // urn:uuid:
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

// metadata has no timestamp: the same program gives the same document.
type metadata struct {
	Lifecycles []lifecycle `json:"lifecycles"`
	Component  component   `json:"component"`
	Properties []property  `json:"properties"` // the settings of go build
}

type lifecycle struct {
	Phase string `json:"phase"`
}

type component struct {
	Type       string      `json:"type"`
	BOMRef     string      `json:"bom-ref"`
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	Scope      string      `json:"scope,omitempty"`
	Hashes     []hash      `json:"hashes,omitempty"`
	Licenses   []licence   `json:"licenses"`
	PURL       string      `json:"purl"`
	References []reference `json:"externalReferences,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hex
}

// licence is an SPDX expression; one identifier is one too.
type licence struct {
	Expression string `json:"expression"`
}

type reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}
