package file

// Needed is a file that the command itself needs, such as one that it reads keys from or writes its
// log to, and what a message calls it.
type Needed struct {
	Name string // "" and "-" stand for none
	Role string // such as "the keystore"
}

// NamedBy are the files that the flag names.
func NamedBy(flag string, names ...string) (all []Needed) {
	for _, name := range names {
		all = append(all, Needed{name, "the file of --" + flag})
	}
	return all
}

// Guard are those of the names that are there, and the links to them where names are links. No
// output may replace one, whatever --force says: the only copy of a key would be gone.
func Guard(groups ...[]Needed) (all []Guarded) {
	for _, group := range groups {
		for _, own := range group {
			if own.Name == "" || own.Name == "-" {
				continue
			}
			for _, follow := range []bool{true, false} {
				if st, err := StatPath(own.Name, follow); err == nil {
					all = append(all, Guarded{st.ID, own.Role})
				}
			}
		}
	}
	return all
}
