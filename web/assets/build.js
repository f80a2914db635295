// Builds dist/: the style sheet from src/ and the templates, the scripts and licences from the packages. The output
// depends on nothing but the sources and package-lock.json; `make check` builds again and compares.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const at = (...parts) => join(here, ...parts)

// Built beside and moved at the end: a failed build leaves the old files, and the Go package compiles.
const out = at('node_modules/.dist')
rmSync(out, { recursive: true, force: true })
mkdirSync(out)

// Basecoat's style is one file for all its components; we take the sections of those we use, which leaves a third of it.
const used = ['Button', 'Checkbox', 'Field', 'Input', 'Label', 'Native Select', 'Radio', 'Textarea']
const sections = readFileSync(at('node_modules/basecoat-css/dist/styles/vega.css'), 'utf8')
  .replace(/\}\s*$/, '')
  .split(/\n  \/\* (.+?) \*\/\n/)
const kept = used.map((name) => {
  const index = sections.indexOf(name)
  if (index < 0) throw new Error(`basecoat-css has no section ${name}`)
  return `/* ${name} */\n${sections[index + 1]}`
})
writeFileSync(at('node_modules/.vega.css'), `@layer components {\n${kept.join('\n')}\n}\n`)

execFileSync(at('node_modules/.bin/tailwindcss'), ['--input', at('src/app.css'), '--output', join(out, 'app.css'), '--minify'], {
  cwd: here,
  stdio: ['ignore', 'inherit', 'inherit'],
})

for (const name of ['app.js', 'icon.svg']) copyFileSync(at('src', name), join(out, name))

// Vendored scripts stay byte for byte what their packages hold.
copyFileSync(at('node_modules/htmx.org/dist/htmx.min.js'), join(out, 'htmx.js'))
copyFileSync(at('node_modules/htmx-ext-sse/dist/sse.min.js'), join(out, 'htmx-ext-sse.js'))

const licences = ['htmx.org', 'htmx-ext-sse', 'basecoat-css', 'tailwindcss'].map((name) => {
  const { version } = JSON.parse(readFileSync(at('node_modules', name, 'package.json'), 'utf8'))
  const file = name === 'basecoat-css' ? 'LICENSE.md' : 'LICENSE'
  return `${name} ${version}\n\n${readFileSync(at('node_modules', name, file), 'utf8').trim()}\n`
})
writeFileSync(join(out, 'licences.txt'), licences.join('\n----\n\n'))

rmSync(at('dist'), { recursive: true, force: true })
renameSync(out, at('dist'))
