package kmstest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/envseal/envseal/kmsclient"
)

// Regions makes several AWS Regions out of one key service that speaks KMS's protocol in the Region
// kmsclient.LocalRegion, by changing the Region of the ARNs on the wire. Each Region has every key
// of the service under an ARN of its own, with the same key material: what a multi-Region key and
// its replicas are. A request belongs to the Region that it is signed for; the service must not
// check the signature. It is an http.Handler, safe for concurrent use.
type Regions struct {
	service http.Handler
	names   []string

	mu       sync.Mutex
	down     map[string]bool
	requests map[string]int
}

// NewRegions puts the Regions called names before service. A Region with another name has no keys.
func NewRegions(service http.Handler, names ...string) *Regions {
	return &Regions{service: service, names: names, down: map[string]bool{},
		requests: map[string]int{}}
}

// SetDown lets a Region fail, or work again.
func (r *Regions) SetDown(region string, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[region] = down
}

// Requests is how many requests for KMS reached a Region so far.
func (r *Regions) Requests(region string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[region]
}

var (
	credentialScope = regexp.MustCompile(`Credential=[^/]+/[0-9]+/([^/]+)/kms/`)
	arnRegion       = regexp.MustCompile(`:kms:([a-z0-9-]+):`)
)

// ServeHTTP implements http.Handler. What is not for KMS goes to the service as it is.
func (r *Regions) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scope := credentialScope.FindStringSubmatch(req.Header.Get("Authorization"))
	if scope == nil {
		r.service.ServeHTTP(w, req)
		return
	}
	region := scope[1]
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if r.arrive(region) {
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "The Region "+region+" is down")
		return
	}
	for _, named := range arnRegion.FindAllSubmatch(body, -1) {
		if string(named[1]) != region {
			refuse(w, http.StatusBadRequest, "NotFoundException", "Invalid arn "+string(named[1]))
			return
		}
	}
	if !slices.Contains(r.names, region) {
		refuse(w, http.StatusBadRequest, "NotFoundException", "Key does not exist in "+region)
		return
	}
	r.translate(w, req, region, body)
}

// translate has the service answer as if it stood in region.
func (r *Regions) translate(w http.ResponseWriter, req *http.Request, region string, body []byte) {
	there, local := []byte(":kms:"+region+":"), []byte(":kms:"+kmsclient.LocalRegion+":")
	inner := req.Clone(req.Context())
	body = bytes.ReplaceAll(body, there, local)
	inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer := httptest.NewRecorder()
	r.service.ServeHTTP(answer, inner)
	out := bytes.ReplaceAll(answer.Body.Bytes(), local, there)
	out = bytes.ReplaceAll(out, []byte(`"Region":"`+kmsclient.LocalRegion+`"`),
		[]byte(`"Region":"`+region+`"`))
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(out)
}

// arrive counts a request and tells whether the Region is down.
func (r *Regions) arrive(region string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests[region]++
	return r.down[region]
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"__type":`+strconv.Quote(code)+`,"message":`+strconv.Quote(message)+`}`)
}
