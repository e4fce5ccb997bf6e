package cmd

// ownName is a file that the command itself needs, such as one that it reads keys from or writes its
// log to, and what a message calls it.
type ownName struct{ name, role string }

// namedBy are the files that the flag names.
func namedBy(flag string, names ...string) (all []ownName) {
	for _, name := range names {
		all = append(all, ownName{name, "the file of --" + flag})
	}
	return all
}

// ownFiles are those of the names that are there, and the links to them where names are links. No
// output may replace one, whatever --force says: the only copy of a key would be gone.
func ownFiles(groups ...[]ownName) (all []guarded) {
	for _, group := range groups {
		for _, own := range group {
			if own.name == "" || own.name == "-" {
				continue
			}
			for _, follow := range []bool{true, false} {
				if st, err := statPath(own.name, follow); err == nil {
					all = append(all, guarded{st.fileID, own.role})
				}
			}
		}
	}
	return all
}
