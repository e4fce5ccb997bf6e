//go:build bench

package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// machine is the machine in words: what decides about speed, and no name.
func (b *bench) machine() []string {
	return []string{
		fmt.Sprintf("%s, %d cores in use, %s of memory",
			processor(), runtime.NumCPU(), sizeName(b.meminfo("MemTotal"))),
		fmt.Sprintf("Linux %s (%s), files on %s",
			kernel(), firstOf("/etc/os-release", "PRETTY_NAME", "="), b.fileSystem()),
		fmt.Sprintf("%s for envseal and for the programs built here", runtime.Version()),
	}
}

// processor is the model and what it has for AES.
func processor() string {
	model := firstOf("/proc/cpuinfo", "model name", ":")
	if model == "" {
		model = runtime.GOARCH
	}
	if family := firstOf("/proc/cpuinfo", "cpu family", ":"); family != "" {
		model += fmt.Sprintf(" (family %s, model %s)", family, firstOf("/proc/cpuinfo", "model", ":"))
	}
	flags := strings.Fields(firstOf("/proc/cpuinfo", "flags", ":") + " " +
		firstOf("/proc/cpuinfo", "Features", ":"))
	var has []string
	for _, f := range []struct{ flag, name string }{{"aes", "AES instructions"},
		{"pclmulqdq", "PCLMULQDQ"}, {"pmull", "PMULL"}, {"vaes", "VAES"}, {"vpclmulqdq", "VPCLMULQDQ"},
		{"avx512f", "AVX-512"}} {
		if slices.Contains(flags, f.flag) {
			has = append(has, f.name)
		}
	}
	if len(has) == 0 {
		return model + " without AES instructions"
	}
	return model + " with " + strings.Join(has, ", ")
}

// firstOf is the value of the first line with this key in a file of lines KEY SEPARATOR VALUE;
// empty if there is none.
func firstOf(file, key, separator string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, value, ok := strings.Cut(lines.Text(), separator); ok && strings.TrimSpace(k) == key {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// kernel is the version without what a distribution or an owner appends.
func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown version"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	return version
}

// meminfo is an entry of /proc/meminfo in bytes.
func (b *bench) meminfo(key string) int64 {
	b.t.Helper()
	n, err := strconv.ParseInt(strings.TrimSuffix(firstOf("/proc/meminfo", key, ":"), " kB"), 10, 64)
	if err != nil {
		b.t.Fatalf("/proc/meminfo: %s: %v", key, err)
	}
	return n * kib
}

func (b *bench) diskFree() int64 {
	b.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &s); err != nil {
		b.t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fileSystem is the type of the one with the scratch files: that of the longest mount point which
// is above them.
func (b *bench) fileSystem() string {
	dir, err := filepath.EvalSymlinks(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		b.t.Fatal(err)
	}
	best, kind := "", "an unknown file system"
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[1]) < len(best) {
			continue
		}
		below, err := filepath.Rel(fields[1], dir)
		if err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			best, kind = fields[1], fields[2]
		}
	}
	return kind
}
