package secret

import (
	"fmt"
	"reflect"
	"unsafe"
)

// The standard library keeps expanded keys and hash states in heap objects of unexported types
// and has no way to wipe them. Those types happen to be flat: fixed-size data without a pointer.
// A flat object can be moved into a Buffer and used there, and wiped where it was. Flatness is
// checked on every use, so a change in the library turns into the fallback and not into a fault.

// flat reports whether a value of type t holds no pointer.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// flatBytes returns the memory of the object that v points to, or nil if v is not a pointer to flat
// data.
func flatBytes(v any) []byte {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || !flat(p.Type().Elem()) {
		return nil
	}
	return unsafe.Slice((*byte)(p.UnsafePointer()), p.Type().Elem().Size())
}

// wipeObject zeroes the object that v points to, if it is flat.
func wipeObject(v any) { Wipe(flatBytes(v)) }

// relocate moves the object behind v into a new Buffer and wipes it where it was. It returns an
// interface value of the same dynamic type that lives as long as the Buffer. If the object is not
// flat, it returns v itself and a nil Buffer.
func relocate[T any](v T) (T, *Buffer, error) {
	old := flatBytes(v)
	if len(old) == 0 {
		return v, nil, nil
	}
	defer Wipe(old)
	mem, err := New(len(old))
	if err != nil {
		return v, nil, err
	}
	copy(mem.Bytes(), old)
	at := unsafe.Pointer(unsafe.SliceData(mem.Bytes()))
	moved, ok := reflect.NewAt(reflect.TypeOf(v).Elem(), at).Interface().(T)
	if !ok {
		mem.Destroy()
		return v, nil, fmt.Errorf("moving %T: the type lost its methods", v)
	}
	return moved, mem, nil
}
