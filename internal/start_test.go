package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// Every command and every bridge pays for what packages do before main, so a pattern is
// compiled when it is first used.
func TestNoPatternIsCompiledAtStart(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			if vars, ok := decl.(*ast.GenDecl); ok && compilesPattern(vars) {
				t.Errorf("%s compiles a regular expression when the program starts", f.path)
			}
		}
	}
}

func compilesPattern(decl ast.Node) (found bool) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "MustCompile" {
			found = true
		}
		return true
	})
	return found
}
