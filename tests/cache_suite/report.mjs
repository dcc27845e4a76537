// Prints how many cases of the suite passed, by group and kind, and the ids of those that failed. Compares them with
// the accepted failures, if a file of these is given.
//
//     node report.mjs DIRECTORY-OF-THE-SUITE RESULTS.json [ACCEPTED.txt UNEXPECTED]
//
// UNEXPECTED gets the ids of cases that failed and are not accepted, one a line.

import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [directory, resultsFile, acceptedFile, unexpectedFile] = process.argv.slice(2)
const load = async name => import(pathToFileURL(`${directory}/${name}`))
const { default: groups } = await load('tests/index.mjs')
const { default: surrogate } = await load('tests/surrogate-control.mjs')
const results = JSON.parse(readFileSync(resultsFile, 'utf8'))

const KINDS = ['required', 'optimal', 'check']
const cases = [...groups, surrogate].flatMap(group =>
  group.tests.filter(test => !test.browser_only)
    .map(test => ({ ...test, group: group.id, kind: test.kind ?? 'required' })))
const byId = new Map(cases.map(test => [test.id, test]))

// What the suite's own pages show: a case whose dependency failed, or whose preparation failed, has not passed.
function outcome (test) {
  const result = results[test.id]
  if (result === undefined) return 'not run'
  const blocked = (test.depends_on ?? []).find(id => byId.has(id) && outcome(byId.get(id)) !== 'passed')
  if (blocked) return `depends on ${blocked}`
  return result === true ? 'passed' : `${result[0]}: ${result[1]}`
}

const outcomes = new Map(cases.map(test => [test.id, outcome(test)]))
const cell = tests => {
  const passed = tests.filter(test => outcomes.get(test.id) === 'passed').length
  return tests.length ? `${passed} of ${tests.length}` : ''
}
const row = (name, tests) => {
  const cells = KINDS.map(kind => cell(tests.filter(test => test.kind === kind)).padStart(12))
  console.log(name.padEnd(24) + cells.join(''))
}

console.log('group'.padEnd(24) + KINDS.map(kind => kind.padStart(12)).join(''))
for (const group of new Set(cases.map(test => test.group))) {
  row(group, cases.filter(test => test.group === group))
}
row('all', cases)

const accepted = new Map()
for (const line of acceptedFile ? readFileSync(acceptedFile, 'utf8').split('\n') : []) {
  if (!line.trim() || line.startsWith('#')) continue
  const [id, ...reason] = line.split(/\s+/)
  if (!byId.has(id)) throw new Error(`${acceptedFile}: there is no case ${id}`)
  if (!reason.length) throw new Error(`${acceptedFile}: ${id} has no reason`)
  accepted.set(id, reason.join(' '))
}

let surprises = 0
let unexpected = ''
for (const kind of KINDS) {
  for (const test of cases.filter(test => test.kind === kind)) {
    const said = outcomes.get(test.id)
    const failed = said !== 'passed'
    // A check only says what a cache does: neither way is a fault.
    const isSurprise = kind !== 'check' && acceptedFile && failed !== accepted.has(test.id)
    surprises += Number(Boolean(isSurprise))
    unexpected += failed && isSurprise ? `${test.id}\n` : ''
    if (failed) {
      console.log(`${kind} ${test.id}: ${said}${accepted.has(test.id) ? ` (accepted: ${accepted.get(test.id)})` : ''}`)
    } else if (isSurprise) {
      console.log(`${kind} ${test.id}: passed, remove it from the accepted failures`)
    }
  }
}
if (unexpectedFile) writeFileSync(unexpectedFile, unexpected)
if (surprises) {
  console.error(`${surprises} cases differ from ${acceptedFile}`)
  process.exit(1)
}
