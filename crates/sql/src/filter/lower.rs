//! From the parse tree of a condition to the form that is evaluated.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, AIndirection, BoolExprType, BoolTestType, ColumnRef, FuncCall, MinMaxOp, Node,
    NullTestType, SelectStmt, TypeCast, a_const,
};

use super::condition::{Condition, Hints, Known, NullInConcat, Operator, Strength, Term, Type, World};
use super::evidence::{Evidence, Needs};
use super::pattern::{self, Regex};
use super::scope::Scope;
use super::value::{EQUAL, FALSE, GREATER, LESS, Mask, NULL, TRUE, Value, as_bool, as_number, is_extreme};
use super::{linear, strength};
use crate::name::strings;

/// Lists longer than this are cut: their condition is in doubt if the rest does not narrow it.
const LIST_MAX: usize = 2000;

/// A condition in the making.
pub(super) struct Lowering<'s> {
    pub(super) scope: &'s Scope,
    pub(super) terms: Vec<Term>,
    /// Terms that are compared with each other have one type.
    pairs: Vec<(usize, usize)>,
    /// Something was taken for true that may be otherwise: what comes out true is only probably true.
    pub(super) doubtful: bool,
    /// Numbers or strings are written in it.
    pub(super) literals: bool,
    /// It asks whether something is NULL.
    pub(super) tests_null: bool,
    /// It has names without a qualifier.
    pub(super) bare: BTreeSet<Box<str>>,
}

impl<'s> Lowering<'s> {
    pub(super) const fn new(scope: &'s Scope) -> Self {
        Self {
            scope,
            terms: Vec::new(),
            pairs: Vec::new(),
            doubtful: false,
            literals: false,
            tests_null: false,
            bare: BTreeSet::new(),
        }
    }

    /// Spreads what is known of types, and looks for what samples cannot prove.
    pub(super) fn settle(&mut self, condition: &Condition) {
        self.spread();
        self.doubtful |= self.terms.iter().any(|term| term.hints.world() == World::BooleanText);
        // Few samples say little about what is computed from several of them.
        condition.each(&mut |part| self.doubtful |= matches!(part, Condition::Arithmetic(..)));
    }

    pub(super) fn spread(&mut self) {
        for _ in 0..self.pairs.len().min(8) {
            for (a, b) in &self.pairs {
                let hints = |at: &usize| self.terms.get(*at).map(|term| term.hints).unwrap_or_default();
                let both = hints(a).union(hints(b));
                for at in [a, b] {
                    if let Some(term) = self.terms.get_mut(*at) {
                        term.hints = both;
                    }
                }
            }
        }
    }

    /// Something that is used as a condition.
    pub(super) fn condition(&mut self, node: &Node) -> Condition {
        let condition = self.lower(node);
        self.hint(&condition, Hints { boolean: true, ..Hints::default() });
        condition
    }

    fn optional(&mut self, node: Option<&Node>) -> Condition {
        node.map_or(Condition::Value(Value::Null), |node| self.lower(node))
    }

    fn all(&mut self, nodes: &[Node]) -> Vec<Condition> {
        nodes.iter().map(|node| self.lower(node)).collect()
    }

    pub(super) fn lower(&mut self, node: &Node) -> Condition {
        let Some(kind) = &node.node else { return self.outer("nothing") };
        match kind {
            NodeEnum::AConst(constant) => self.constant(constant),
            NodeEnum::ParamRef(parameter) => self.outer(&format!("${}", parameter.number)),
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::TypeCast(cast) => self.cast(cast),
            NodeEnum::CollateClause(collate) => self.optional(collate.arg.as_deref()),
            NodeEnum::BoolExpr(expression) if expression.args.len() > LIST_MAX => {
                self.literals = true;
                self.outer("long")
            }
            NodeEnum::BoolExpr(expression) => {
                let parts: Vec<_> = expression.args.iter().map(|part| self.condition(part)).collect();
                match BoolExprType::try_from(expression.boolop) {
                    Ok(BoolExprType::AndExpr) => Condition::And(parts),
                    Ok(BoolExprType::OrExpr) => Condition::Or(parts),
                    Ok(BoolExprType::NotExpr) => {
                        parts.into_iter().next().map_or(Condition::Value(Value::Null), Condition::not)
                    }
                    Ok(BoolExprType::Undefined) | Err(_) => self.outer("unread"),
                }
            }
            NodeEnum::NullTest(test) => {
                self.tests_null = true;
                let is_null = Condition::IsNull(Box::new(self.optional(test.arg.as_deref())));
                if NullTestType::try_from(test.nulltesttype) == Ok(NullTestType::IsNull) {
                    is_null
                } else {
                    is_null.not()
                }
            }
            NodeEnum::BooleanTest(test) => {
                let inner =
                    test.arg.as_deref().map_or(Condition::Value(Value::Null), |node| self.condition(node));
                let wanted: Mask = match BoolTestType::try_from(test.booltesttype) {
                    Ok(BoolTestType::IsTrue) => TRUE,
                    Ok(BoolTestType::IsNotTrue) => FALSE | NULL,
                    Ok(BoolTestType::IsFalse) => FALSE,
                    Ok(BoolTestType::IsNotFalse) => TRUE | NULL,
                    Ok(BoolTestType::IsUnknown) => NULL,
                    Ok(BoolTestType::IsNotUnknown) => TRUE | FALSE,
                    Ok(BoolTestType::Undefined) | Err(_) => return self.outer("unread"),
                };
                self.tests_null = true;
                Condition::Is(wanted, Box::new(inner))
            }
            NodeEnum::AExpr(expression) => self.operation(node, expression),
            NodeEnum::CoalesceExpr(coalesce) => Condition::Coalesce(self.all(&coalesce.args)),
            NodeEnum::CaseExpr(case) => self.case(case.arg.as_deref(), &case.args, case.defresult.as_deref()),
            NodeEnum::MinMaxExpr(extreme) => {
                let greatest = MinMaxOp::try_from(extreme.op) == Ok(MinMaxOp::IsGreatest);
                Condition::Extreme(greatest, self.all(&extreme.args))
            }
            NodeEnum::RowExpr(row) => Condition::Row(self.all(&row.args)),
            NodeEnum::FuncCall(call) => self.call(node, call),
            NodeEnum::SubLink(link) => self.sublink(node, link),
            NodeEnum::AIndirection(indirection) => self.field(node, indirection),
            NodeEnum::CurrentOfExpr(_) => self.of_target("current of"),
            _ => self.opaque(node),
        }
    }

    fn constant(&mut self, constant: &AConst) -> Condition {
        let value = match &constant.val {
            None => Value::Null,
            Some(a_const::Val::Boolval(value)) => Value::Bool(value.boolval),
            Some(literal) => {
                self.literals = true;
                match literal {
                    a_const::Val::Ival(integer) => Value::Number(f64::from(integer.ival)),
                    a_const::Val::Fval(float) => as_number(&float.fval).map_or(Value::Unknown, Value::Number),
                    a_const::Val::Sval(string) => Value::Text(string.sval.as_str().into()),
                    a_const::Val::Bsval(bits) => Value::Text(bits.bsval.as_str().into()),
                    a_const::Val::Boolval(value) => Value::Bool(value.boolval),
                }
            }
        };
        Condition::Value(value)
    }

    fn term(&mut self, key: String, of_target: bool, column: Option<&str>) -> Condition {
        let known = self.terms.iter().position(|term| term.key == key && term.of_target == of_target);
        Condition::Term(known.unwrap_or_else(|| {
            self.terms.push(Term {
                key,
                of_target,
                column: column.map(Box::from),
                hints: Hints::default(),
                strength: Strength::Strong,
                needs: Needs::default(),
                never: false,
            });
            self.terms.len() - 1
        }))
    }

    /// Says how well a term narrows, and what has to hold for that.
    pub(super) fn judged(&mut self, term: Condition, strength: Strength, needs: Needs) -> Condition {
        if let Condition::Term(at) = &term
            && let Some(known) = self.terms.get_mut(*at)
        {
            known.strength = strength;
            known.needs = std::mem::take(&mut known.needs).and(needs);
        }
        term
    }

    /// Something that does not depend on the row of the target.
    pub(super) fn outer(&mut self, key: &str) -> Condition {
        self.term(key.to_owned(), false, None)
    }

    /// Something that depends on the row of the target in a way that is not computed.
    pub(super) fn of_target(&mut self, key: &str) -> Condition {
        self.term(key.to_owned(), true, None)
    }

    fn column(&mut self, column: &ColumnRef) -> Condition {
        let names = strings(&column.fields);
        let (is_target, name) = match names.as_slice() {
            [name] if names.len() == column.fields.len() => {
                self.bare.insert((*name).into());
                (self.scope.bare_is_target, *name)
            }
            [.., qualifier, name] if names.len() == column.fields.len() => {
                (self.scope.is_target(qualifier), *name)
            }
            [.., qualifier] => (self.scope.is_target(qualifier), "*"),
            [] => (false, "*"),
        };
        let qualifier = names.len().checked_sub(2).and_then(|at| names.get(at).copied());
        // All rows of a relation have one `tableoid`.
        if is_target && name != "tableoid" {
            let term = self.term(format!("column {name}"), true, (name != "*").then_some(name));
            let whole = name == "*" || qualifier.is_none() && self.scope.is_target(name);
            let strength = match name {
                _ if whole => Strength::Weak,
                "ctid" | "xmin" | "xmax" | "cmin" | "cmax" => Strength::Equal,
                _ => Strength::Strong,
            };
            return self.judged(term, strength, Needs::default());
        }
        let needs = self.scope.needs_of(qualifier);
        let strength = if needs.is_some() { Strength::Strong } else { Strength::Weak };
        let term = self.outer(&format!("other {}", names.join(".")));
        self.judged(term, strength, needs.unwrap_or_default())
    }

    /// `(t).id` is `t.id`.
    fn field(&mut self, node: &Node, indirection: &AIndirection) -> Condition {
        let row = indirection.arg.as_deref().and_then(|node| node.node.as_ref());
        if let (Some(NodeEnum::ColumnRef(row)), [Node { node: Some(NodeEnum::String(name)) }]) =
            (row, indirection.indirection.as_slice())
            && let Some(qualifier) = strings(&row.fields).last()
            && self.scope.is_target(qualifier)
        {
            return self.term(format!("column {}", name.sval), true, Some(&name.sval));
        }
        self.opaque(node)
    }

    fn cast(&mut self, cast: &TypeCast) -> Condition {
        let inner = self.optional(cast.arg.as_deref());
        let name = cast.type_name.as_ref().map(|name| strings(&name.names)).unwrap_or_default();
        let is_array = cast.type_name.as_ref().is_some_and(|name| !name.array_bounds.is_empty());
        let to = match name.last().copied() {
            _ if is_array => return inner,
            Some("bool") => Type::Boolean,
            Some("int2" | "int4" | "int8") => Type::Integer,
            Some("numeric" | "float4" | "float8") => Type::Number,
            Some("text" | "varchar" | "bpchar" | "name") => Type::Text,
            _ => return inner,
        };
        // Of a column that is cast to text nothing else tells the type: texts may be empty, numbers are not.
        self.doubtful |= to == Type::Text && matches!(inner, Condition::Term(_));
        Condition::Cast(to, Box::new(inner))
    }

    fn case(&mut self, subject: Option<&Node>, whens: &[Node], otherwise: Option<&Node>) -> Condition {
        let subject = subject.map(|node| self.lower(node));
        let mut lowered = Vec::new();
        for when in whens {
            let Some(NodeEnum::CaseWhen(when)) = &when.node else { return self.outer("unread") };
            let condition = match (&subject, when.expr.as_deref()) {
                (None, Some(condition)) => self.condition(condition),
                (Some(subject), Some(one)) => {
                    let one = self.lower(one);
                    self.compare(EQUAL, subject.clone(), one)
                }
                (_, None) => return self.outer("unread"),
            };
            lowered.push((condition, self.optional(when.result.as_deref())));
        }
        Condition::Case(lowered, Box::new(self.optional(otherwise)))
    }

    fn operation(&mut self, node: &Node, expression: &AExpr) -> Condition {
        let operator = strings(&expression.name).last().copied().unwrap_or_default();
        let (left, right) = (expression.lexpr.as_deref(), expression.rexpr.as_deref());
        match AExprKind::try_from(expression.kind) {
            Ok(AExprKind::AexprOp) => match (left, right) {
                (None, Some(operand)) if operator == "+" => self.lower(operand),
                (None, Some(operand)) if operator == "-" => {
                    let operand = self.lower(operand);
                    self.hint(&operand, Hints { number: true, ..Hints::default() });
                    match operand {
                        Condition::Value(Value::Number(number)) => Condition::Value(Value::Number(-number)),
                        other => Condition::Call(Known::Negative, Box::new(other)),
                    }
                }
                (Some(left), Some(right)) => self.binary(node, operator, left, right),
                _ => self.opaque(node),
            },
            Ok(AExprKind::AexprDistinct | AExprKind::AexprNotDistinct) => {
                let (left, right) = (self.optional(left), self.optional(right));
                self.tests_null |=
                    [&left, &right].iter().any(|side| matches!(side, Condition::Value(Value::Null)));
                self.relate(&left, &right);
                let distinct = Condition::Distinct(Box::new(left), Box::new(right));
                let is_distinct = AExprKind::try_from(expression.kind) == Ok(AExprKind::AexprDistinct);
                if is_distinct { distinct } else { distinct.not() }
            }
            Ok(AExprKind::AexprNullif) => {
                let (left, right) = (self.optional(left), self.optional(right));
                self.relate(&left, &right);
                Condition::NullIf(Box::new(left), Box::new(right))
            }
            Ok(AExprKind::AexprIn) => {
                let subject = self.optional(left);
                let Some(NodeEnum::List(list)) = right.and_then(|node| node.node.as_ref()) else {
                    return self.opaque(node);
                };
                let any = self.one_of(EQUAL, &subject, &list.items);
                if operator == "=" { any } else { any.not() }
            }
            Ok(AExprKind::AexprLike | AExprKind::AexprIlike) => {
                self.like(operator, self.is_ilike(expression), left, right)
            }
            Ok(AExprKind::AexprSimilar) => self.similar(node, operator, left, right),
            Ok(AExprKind::AexprOpAny) => self.quantified(node, operator, left, right, true),
            Ok(AExprKind::AexprOpAll) => self.quantified(node, operator, left, right, false),
            Ok(
                kind @ (AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym),
            ) => self.between(node, kind, left, right),
            Ok(AExprKind::Undefined) | Err(_) => self.outer("unread"),
        }
    }

    fn is_ilike(&self, expression: &AExpr) -> bool {
        AExprKind::try_from(expression.kind) == Ok(AExprKind::AexprIlike)
    }

    fn between(
        &mut self,
        node: &Node,
        kind: AExprKind,
        left: Option<&Node>,
        right: Option<&Node>,
    ) -> Condition {
        let bounds = match right.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::List(list)) => self.all(&list.items),
            _ => return self.opaque(node),
        };
        let subject = self.optional(left);
        let [low, high] = bounds.as_slice() else { return self.opaque(node) };
        let mut within = |low: &Condition, high: &Condition| {
            Condition::And(vec![
                self.compare(GREATER | EQUAL, subject.clone(), low.clone()),
                self.compare(LESS | EQUAL, subject.clone(), high.clone()),
            ])
        };
        let plain = within(low, high);
        match kind {
            AExprKind::AexprBetween => plain,
            AExprKind::AexprNotBetween => plain.not(),
            AExprKind::AexprBetweenSym => Condition::Or(vec![plain, within(high, low)]),
            _ => Condition::Or(vec![plain, within(high, low)]).not(),
        }
    }

    fn binary(&mut self, node: &Node, operator: &str, left: &Node, right: &Node) -> Condition {
        if let Some(mask) = comparison(operator) {
            let (left, right) = (self.lower(left), self.lower(right));
            return self.compare(mask, left, right);
        }
        match operator {
            "~~" | "!~~" => self.like(operator, false, Some(left), Some(right)),
            "~~*" | "!~~*" => self.like(operator, true, Some(left), Some(right)),
            "~" | "~*" | "!~" | "!~*" => self.regex(operator, left, right),
            "||" => {
                let parts = vec![self.lower(left), self.lower(right)];
                for part in &parts {
                    self.hint(part, Hints { text: true, ..Hints::default() });
                }
                Condition::Concat(parts, NullInConcat::Spreads)
            }
            // Everything contains nothing.
            "@>" if matches!(self.lower(right), Condition::Value(Value::Text(text)) if matches!(&*text, "{}" | "[]")) => {
                self.outer("contains nothing")
            }
            _ => match arithmetic(operator) {
                Some(arithmetic) => self.arithmetic(node, arithmetic, left, right),
                None => self.opaque(node),
            },
        }
    }

    fn arithmetic(&mut self, node: &Node, operator: Operator, left: &Node, right: &Node) -> Condition {
        let sides = (self.lower(left), self.lower(right));
        if !self.is_numeric(&sides.0) || !self.is_numeric(&sides.1) {
            return self.opaque(node);
        }
        for side in [&sides.0, &sides.1] {
            self.hint(side, Hints { number: true, ..Hints::default() });
        }
        Condition::Arithmetic(operator, Box::new(sides.0), Box::new(sides.1))
    }

    /// Dates, intervals, ranges, JSON: what comes of them is not computed.
    fn is_numeric(&self, side: &Condition) -> bool {
        match side {
            Condition::Value(value) => value.number().is_some(),
            Condition::Term(term) => {
                self.terms.get(*term).is_some_and(|term| term.of_target && term.column.is_some())
            }
            Condition::Arithmetic(..) => true,
            Condition::Cast(to, _) => matches!(to, Type::Integer | Type::Number),
            Condition::Call(known, _) => !matches!(known, Known::Lower | Known::Upper | Known::Trim),
            Condition::Coalesce(parts) | Condition::Extreme(_, parts) => {
                parts.iter().all(|part| self.is_numeric(part))
            }
            _ => false,
        }
    }

    pub(super) fn compare(&mut self, mask: Mask, left: Condition, right: Condition) -> Condition {
        let extreme =
            |side: &Condition| matches!(side, Condition::Value(Value::Text(text)) if is_extreme(text));
        let orders = !matches!(mask, EQUAL) && mask != LESS | GREATER;
        if orders && (extreme(&left) || extreme(&right)) {
            // Everything may lie below infinity.
            return self.outer("extreme");
        }
        let text = |side: &Condition| matches!(side, Condition::Value(Value::Text(text)) if !text.is_empty() && as_number(text).is_none());
        // The order of texts is the collation's.
        self.doubtful |= orders && (text(&left) || text(&right));
        self.relate(&left, &right);
        match linear::solved(mask, &left, &right) {
            Some((mask, left, right)) => Condition::compare(mask, left, right),
            None => Condition::compare(mask, left, right),
        }
    }

    fn one_of(&mut self, mask: Mask, subject: &Condition, items: &[Node]) -> Condition {
        let mut parts = Vec::new();
        for item in items.iter().take(LIST_MAX) {
            let item = self.lower(item);
            parts.push(self.compare(mask, subject.clone(), item));
        }
        if items.len() > LIST_MAX {
            parts.push(self.of_target("long list"));
        }
        Condition::Or(parts)
    }

    fn like(
        &mut self,
        operator: &str,
        ignore_case: bool,
        text: Option<&Node>,
        pattern: Option<&Node>,
    ) -> Condition {
        let (text, pattern) = (self.optional(text), self.optional(pattern));
        let like = self.like_of(ignore_case, text, pattern);
        if operator.starts_with('!') { like.not() } else { like }
    }

    fn like_of(&mut self, ignore_case: bool, text: Condition, pattern: Condition) -> Condition {
        self.hint(&text, Hints { text: true, ..Hints::default() });
        match &pattern {
            // `_%`: everything but the empty text.
            Condition::Value(Value::Text(wild))
                if wild.contains('%') && pattern::is_only_wildcards(wild) && wild.contains('_') =>
            {
                return self.outer("wildcards");
            }
            Condition::Value(_) => {}
            // A pattern that comes from elsewhere may be `%`.
            other if !self.depends_on_target(other) => return self.outer("pattern"),
            _ => self.hint(&pattern, Hints { text: true, ..Hints::default() }),
        }
        Condition::Like { text: Box::new(text), pattern: Box::new(pattern), ignore_case }
    }

    fn regex(&mut self, operator: &str, left: &Node, right: &Node) -> Condition {
        let (text, pattern) = (self.lower(left), self.lower(right));
        self.hint(&text, Hints { text: true, ..Hints::default() });
        let matches = match &pattern {
            Condition::Value(Value::Text(pattern)) => match pattern::regex(pattern) {
                Regex::Everything => Condition::IsNull(Box::new(text)).not(),
                Regex::Doubtful => self.outer("pattern"),
                Regex::Some => {
                    let key = self.key(left);
                    let fold = operator.ends_with('*');
                    let text_key = format!("{} ~ {fold} {pattern}", key.text);
                    let plain = matches!(&text, Condition::Term(at) if self.terms.get(*at).is_some_and(|term| term.column.is_some()))
                        || matches!(&text, Condition::Call(Known::Lower | Known::Upper | Known::Trim, _));
                    let strength = if plain { Strength::Strong } else { Strength::Weak };
                    let term = self.term(text_key, key.of_target, None);
                    self.judged(term, strength, Needs::default())
                }
            },
            _ => self.outer("pattern"),
        };
        if operator.starts_with('!') { matches.not() } else { matches }
    }

    fn similar(
        &mut self,
        node: &Node,
        operator: &str,
        left: Option<&Node>,
        right: Option<&Node>,
    ) -> Condition {
        let pattern = match right.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::FuncCall(call)) => call.args.first().map(|pattern| self.lower(pattern)),
            _ => None,
        };
        let text = self.optional(left);
        let matches = match pattern {
            Some(Condition::Value(Value::Text(pattern))) if pattern.contains(['|', '*', '?', '{', '(']) => {
                return self.similar_to(operator, left, &pattern);
            }
            Some(pattern @ Condition::Value(Value::Text(_))) => self.like_of(false, text, pattern),
            _ => return self.opaque(node),
        };
        if operator.starts_with('!') { matches.not() } else { matches }
    }

    /// SIMILAR TO a pattern with the characters of regular expressions.
    fn similar_to(&mut self, operator: &str, left: Option<&Node>, pattern: &str) -> Condition {
        let expression = pattern.replace('%', ".*").replace('_', ".");
        // One alternative is enough that matches everything.
        let bare = |part: &str| part.chars().all(|one| "%_*+?(){},0123456789".contains(one));
        let some = pattern::regex(&expression) == Regex::Some && !pattern.split('|').any(bare);
        let key = left.map(|left| self.key(left)).unwrap_or_default();
        let matches = if some && key.of_target && left.is_some_and(is_column) {
            self.term(format!("{} similar {pattern}", key.text), true, None)
        } else {
            self.outer("pattern")
        };
        if operator.starts_with('!') { matches.not() } else { matches }
    }

    /// `x = ANY (…)` and `x = ALL (…)` of an array.
    fn quantified(
        &mut self,
        node: &Node,
        operator: &str,
        left: Option<&Node>,
        right: Option<&Node>,
        any: bool,
    ) -> Condition {
        let subject = self.optional(left);
        let Some(right) = right else { return self.opaque(node) };
        if let (true, Some(mask), Some(select)) = (any, comparison(operator), array_of(right)) {
            return self.member(node, &subject, mask, select);
        }
        let Some(items) = self.elements(right) else {
            return self.any_element(node, operator, &subject, right, any);
        };
        let mut parts = Vec::new();
        for item in items {
            parts.push(match (comparison(operator), operator) {
                (Some(mask), _) => self.compare(mask, subject.clone(), item),
                (None, "~~") => self.like_of(false, subject.clone(), item),
                (None, "~~*") => self.like_of(true, subject.clone(), item),
                (None, "!~~") => self.like_of(false, subject.clone(), item).not(),
                (None, "!~~*") => self.like_of(true, subject.clone(), item).not(),
                _ => return self.opaque(node),
            });
        }
        if any { Condition::Or(parts) } else { Condition::And(parts) }
    }

    /// `x = ANY (…)` of an array that is not written out.
    fn any_element(
        &mut self,
        node: &Node,
        operator: &str,
        subject: &Condition,
        array: &Node,
        any: bool,
    ) -> Condition {
        let known = self.key(array);
        let plain = Evidence::new(&self.terms).equal_needs(subject);
        let equal = operator == "=" && any && is_given(array);
        let found = match plain {
            // A value among those of a column.
            Some(_) if known.of_target && !self.depends_on_target(subject) && is_column(array) && equal => {
                let key = self.key(node);
                self.of_target(&key.text)
            }
            Some(needs) if !known.of_target && equal => {
                let term = self.of_whole(node, subject);
                return self.judged(term, Strength::Strong, needs);
            }
            _ => {
                let term = self.of_whole(node, subject);
                self.judged(term, Strength::Weak, Needs::default())
            }
        };
        // Nothing is unequal to any of no values: an empty array hits every row, and so does one of two values that
        // only one has to differ from.
        let doubtful = !any || comparison(operator).is_none_or(|mask| mask == LESS | GREATER);
        if doubtful { Condition::Or(vec![self.outer("array"), found]) } else { found }
    }

    /// The elements of an array that is written out.
    fn elements(&mut self, node: &Node) -> Option<Vec<Condition>> {
        match node.node.as_ref()? {
            NodeEnum::AArrayExpr(array) if array.elements.len() <= LIST_MAX => {
                Some(self.all(&array.elements))
            }
            NodeEnum::TypeCast(cast) => self.elements(cast.arg.as_deref()?),
            NodeEnum::AConst(constant) => {
                let Condition::Value(Value::Text(text)) = self.constant(constant) else { return None };
                let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?.to_owned();
                if inner.contains(['{', '"', '\\']) || inner.len() > 16 * LIST_MAX {
                    return None;
                }
                let element = |text: &str| match text.trim() {
                    null if null.eq_ignore_ascii_case("null") => Condition::Value(Value::Null),
                    text => Condition::Value(Value::Text(text.into())),
                };
                Some(inner.split(',').filter(|text| !text.trim().is_empty()).map(element).collect())
            }
            _ => None,
        }
    }

    fn call(&mut self, node: &Node, call: &FuncCall) -> Condition {
        let name = strings(&call.funcname).last().copied().unwrap_or_default();
        let plain = call.agg_filter.is_none() && call.over.is_none() && call.agg_order.is_empty();
        let hints = |text, number| Hints { text, number, ..Hints::default() };
        let known = match (name, call.args.as_slice()) {
            _ if !plain => return self.opaque(node),
            ("length" | "char_length" | "character_length" | "octet_length" | "bit_length", [_]) => {
                Known::Length
            }
            ("lower", [_]) => Known::Lower,
            ("upper", [_]) => Known::Upper,
            ("btrim" | "ltrim" | "rtrim", [_]) => Known::Trim,
            // Never negative, either.
            ("position" | "strpos", [_, Node { node: Some(NodeEnum::AConst(sought)) }])
                if !is_empty_text(sought) =>
            {
                Known::Length
            }
            ("cardinality" | "jsonb_array_length" | "json_array_length", [column]) if is_column(column) => {
                Known::Length
            }
            ("array_length", [column, _]) if is_column(column) => Known::Length,
            ("abs", [_]) => Known::Abs,
            ("sign", [_]) => Known::Sign,
            ("floor", [_]) => Known::Floor,
            ("ceil" | "ceiling", [_]) => Known::Ceiling,
            ("round", [_]) => Known::Round,
            ("bool", [argument]) => {
                return Condition::Cast(Type::Boolean, Box::new(self.lower(argument)));
            }
            ("power" | "pow", [a, b]) => return self.arithmetic(node, Operator::Power, a, b),
            ("mod", [a, b]) => return self.arithmetic(node, Operator::Remainder, a, b),
            ("concat", parts) => {
                return Condition::Concat(self.all(parts), NullInConcat::Vanishes);
            }
            _ => return self.opaque(node),
        };
        let Some(argument) = call.args.first() else { return self.opaque(node) };
        let argument = self.lower(argument);
        let texts = matches!(known, Known::Length | Known::Lower | Known::Upper | Known::Trim);
        self.hint(&argument, hints(texts, !texts));
        Condition::Call(known, Box::new(argument))
    }

    /// Something that is not computed, by what it is made of.
    pub(super) fn opaque(&mut self, node: &Node) -> Condition {
        let key = self.key(node);
        self.literals |= key.literals;
        self.bare.extend(key.bare);
        if key.twice || !key.of_target {
            let term = self.outer(&key.text);
            return if key.of_target { self.judged(term, Strength::Weak, Needs::default()) } else { term };
        }
        let strength = strength::of(node);
        let term = self.of_target(&key.text);
        self.judged(term, strength, Needs::default())
    }

    /// Something that is not computed, and depends on the target if its subject does.
    pub(super) fn of_whole(&mut self, node: &Node, subject: &Condition) -> Condition {
        let key = self.key(node);
        self.literals |= key.literals;
        if self.depends_on_target(subject) { self.of_target(&key.text) } else { self.outer(&key.text) }
    }

    pub(super) fn depends_on_target(&self, condition: &Condition) -> bool {
        let mut depends = false;
        condition.each(&mut |part| {
            if let Condition::Term(term) = part {
                depends |= self.terms.get(*term).is_some_and(|term| term.of_target);
            }
        });
        depends
    }

    /// Two expressions that are compared have one type.
    fn relate(&mut self, left: &Condition, right: &Condition) {
        let both = type_of(left).union(type_of(right));
        self.hint(left, both);
        self.hint(right, both);
        if let (Condition::Term(a), Condition::Term(b)) = (left, right) {
            self.pairs.push((*a, *b));
        }
    }

    /// Notes what the terms are that give an expression its value.
    fn hint(&mut self, condition: &Condition, hints: Hints) {
        match condition {
            Condition::Term(term) => {
                if let Some(term) = self.terms.get_mut(*term) {
                    term.hints = term.hints.union(hints);
                }
            }
            Condition::Coalesce(parts) | Condition::Extreme(_, parts) => {
                parts.iter().for_each(|part| self.hint(part, hints));
            }
            Condition::NullIf(left, right) => {
                self.hint(left, hints);
                self.hint(right, hints);
            }
            Condition::Case(whens, otherwise) => {
                whens.iter().for_each(|(_, result)| self.hint(result, hints));
                self.hint(otherwise, hints);
            }
            Condition::Call(Known::Lower | Known::Upper | Known::Trim, inner) => self.hint(inner, hints),
            _ => {}
        }
    }
}

/// A parameter, a column, or one that is cast: arrays that nothing computes.
fn is_given(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::ParamRef(_) | NodeEnum::ColumnRef(_) | NodeEnum::AConst(_)) => true,
        Some(NodeEnum::AArrayExpr(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_given),
        _ => false,
    }
}

pub(super) fn is_column(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::ColumnRef(column)) if strings(&column.fields).len() == column.fields.len())
}

fn is_empty_text(constant: &AConst) -> bool {
    !matches!(&constant.val, Some(a_const::Val::Sval(text)) if !text.sval.is_empty())
}

/// The query of `ARRAY(SELECT …)`.
fn array_of(node: &Node) -> Option<&SelectStmt> {
    let NodeEnum::SubLink(link) = node.node.as_ref()? else { return None };
    match link.subselect.as_deref()?.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some(select.as_ref()),
        _ => None,
    }
}

/// What the constants of an expression tell of its type.
fn type_of(condition: &Condition) -> Hints {
    let none = Hints::default();
    match condition {
        Condition::Value(Value::Bool(_)) => Hints { boolean: true, ..none },
        Condition::Value(Value::Number(_)) => Hints { number: true, ..none },
        Condition::Value(Value::Text(text)) => Hints {
            number: as_number(text).is_some(),
            boolean_text: as_bool(text).is_some() && as_number(text).is_none(),
            text: as_bool(text).is_none() && as_number(text).is_none(),
            ..none
        },
        Condition::Cast(Type::Boolean, _)
        | Condition::And(_)
        | Condition::Or(_)
        | Condition::Not(_)
        | Condition::Compare(..)
        | Condition::IsNull(_)
        | Condition::Is(..) => Hints { boolean: true, ..none },
        Condition::Cast(Type::Text, _) | Condition::Concat(..) => Hints { text: true, ..none },
        Condition::Cast(Type::Integer | Type::Number, _) | Condition::Arithmetic(..) => {
            Hints { number: true, ..none }
        }
        Condition::Call(known, _) => {
            let text = matches!(known, Known::Lower | Known::Upper | Known::Trim);
            Hints { text, number: !text, ..none }
        }
        Condition::Coalesce(parts) | Condition::Extreme(_, parts) => {
            parts.iter().map(type_of).fold(none, Hints::union)
        }
        Condition::NullIf(left, right) => type_of(left).union(type_of(right)),
        Condition::Case(whens, otherwise) => {
            whens.iter().map(|(_, result)| type_of(result)).fold(type_of(otherwise), Hints::union)
        }
        _ => none,
    }
}

pub(super) fn comparison(operator: &str) -> Option<Mask> {
    Some(match operator {
        "=" => EQUAL,
        "<>" | "!=" => LESS | GREATER,
        "<" => LESS,
        "<=" => LESS | EQUAL,
        ">" => GREATER,
        ">=" => GREATER | EQUAL,
        _ => return None,
    })
}

fn arithmetic(operator: &str) -> Option<Operator> {
    Some(match operator {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Remainder,
        "^" => Operator::Power,
        "&" => Operator::BitAnd,
        "|" => Operator::BitOr,
        "#" => Operator::BitXor,
        _ => return None,
    })
}
